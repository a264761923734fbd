import { expect, test } from 'vitest'
import { Keeper } from './keeper.js'
import { realClock, realRandomness } from './real.js'

test('a keeper that is stopped waits for its work, which its signal tells to end, and does none again', async () => {
  let begin: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const log: string[] = []
  const keeper = new Keeper(
    async (signal) => {
      begin()
      await realClock.sleep(3_600_000, signal)
      log.push('ended')
    },
    { everyMs: 1, clock: realClock, randomness: realRandomness, onError: (error) => log.push(String(error)) },
  )
  await begun
  await keeper.stop()
  expect(log).toEqual(['ended'])
})
