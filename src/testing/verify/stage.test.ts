import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Clock, realClock } from '../../system/index.js'
import { type FakeService, gatewayService } from './index.js'
import { byKey, chargeWith, input } from './integrations.fixture.js'
import { first } from './scene.js'
import { Stage } from './stage.js'
import { subjectOf } from './subject.js'

/** A machine that stalls: whoever asks for the next turn gets it long after the stage has looked. */
const stalling: Clock = { ...realClock, nextTurn: (callback) => void realClock.schedule(25, callback, 'keep-alive') }

let service: FakeService
beforeAll(async () => {
  service = await gatewayService({ level: 'keys' })
})
afterAll(() => service.close?.())

describe('a stage on a machine that stalls', () => {
  it('lets no time pass while the engine has a next step to take', async () => {
    const stage = new Stage(subjectOf({ effect: chargeWith(byKey), input }, service, stalling))
    try {
      const worker = await stage.worker()
      worker.gate.rule = first({ kind: 'lose_response' })
      expect(await stage.toRest(worker.perform())).toBe(true)
      expect(await stage.entry()).toMatchObject({ state: 'succeeded' })
      expect(await stage.count()).toBe(1)
      // Once because the answer was lost, and never because somebody's lease or time was jumped over.
      expect(stage.executes()).toHaveLength(2)
      expect(stage.clock.monotonicMs()).toBeLessThan(60_000)
    } finally {
      await stage.close()
    }
  })
})
