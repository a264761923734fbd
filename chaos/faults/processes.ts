import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { SKEW_MS, STOP_MS } from '../timing.js'
import { NO_FAKETIME } from '../wall-clock.js'

export const killed: Fault = {
  name: 'killed',
  what: 'a worker is SIGKILLed, and another begins',
  everyMs: 1_000,
  strike: (world, dice) => dice.pick(world.places).replaceKilled(),
}

export const stopped: Fault = {
  name: 'stopped',
  what: 'a worker is SIGSTOPped past its lease, and woken',
  everyMs: 7_000,
  async strike(world, dice) {
    const { worker } = dice.pick(world.places)
    const fromMs = Date.now()
    worker.signal('SIGSTOP')
    await sleep(STOP_MS)
    // What it sends when it is woken may be at the gateway before this goes on.
    world.stops.push({ client: worker.client, fromMs, untilMs: Date.now() })
    worker.signal('SIGCONT')
  },
}

export const deployed: Fault = {
  name: 'deployed',
  what: 'a worker is asked to end (SIGTERM), and another begins',
  everyMs: 5_000,
  strike: (world, dice) => dice.pick(world.places).replaceStopped(),
}

const WIDEST_SKEW_S = 2 * 86_400
/** What a worker's answer may be off by on a busy machine. */
const TOLERANCE_S = 30

export const clockSkewed: Fault = {
  name: 'clock-skewed',
  what: 'the wall clock of one worker steps by up to two days, ahead or back, and later to the right time',
  everyMs: 10_000,
  needs: 'wall-clocks',
  cannot: (world) => (world.places.some((place) => place.wallClock === null) ? NO_FAKETIME : null),
  async strike(world, dice) {
    const place = dice.pick(world.places)
    const seconds = Math.round((dice.next() - 0.5) * 2 * WIDEST_SKEW_S)
    await place.wallClock?.step(seconds)
    try {
      await sleep(SKEW_MS)
      const seen = ((await place.worker.wallMs()) - Date.now()) / 1_000
      if (Math.abs(seen - seconds) > TOLERANCE_S)
        throw new Error(`The worker's clock is ${seen} s ahead, not ${seconds}.`)
    } finally {
      await place.wallClock?.step(0)
    }
  },
}
