import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { FREEZE_MS, PREFETCH } from '../timing.js'
import { publish } from './striking.js'

/**
 * A virtual machine that is moved, a host that swaps, a long collection of garbage. The worker has done everything that
 * it does before the call, its connection stands, and then it sleeps past every lock and lease; another does its work;
 * it wakes up, knows nothing of it, and goes on.
 */
export const frozen: Fault = {
  name: 'frozen',
  title: 'worker frozen past its lease',
  story:
    'The worker gets SIGSTOP just before it sends, sleeps past its lease, and is woken when another has taken over.',
  strikesAtMost: PREFETCH,
  async inject(stage) {
    const sleeper = await stage.join({ gateClosed: true })
    publish(stage, stage.struck)
    await sleeper.atGate(stage.struck.length)
    sleeper.freeze()
    await stage.join()
    await sleep(FREEZE_MS)
    // Its heartbeats stay out: the broker gives the worker up.
    stage.broker.lose(sleeper)
    publish(stage, stage.spared)
    await stage.untilOthersAreDone()
    sleeper.openGate()
    sleeper.wake()
  },
}
