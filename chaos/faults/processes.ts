import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { STOP_MS } from '../timing.js'

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
    worker.signal('SIGSTOP')
    await sleep(STOP_MS)
    worker.signal('SIGCONT')
  },
}

export const deployed: Fault = {
  name: 'deployed',
  what: 'a worker is asked to end (SIGTERM), and another begins',
  everyMs: 5_000,
  strike: (world, dice) => dice.pick(world.places).replaceStopped(),
}
