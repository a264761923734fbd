import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { FREEZE_MS, LOCK_TTL_MS, PREFETCH } from '../timing.js'
import { publish } from './striking.js'

/**
 * A virtual machine that is moved, a host that swaps, a long collection of garbage. The worker has done everything that
 * it does before the call, its connection stands, and then it sleeps past every lock and lease; another does its work;
 * it wakes up, knows nothing of it, and goes on.
 */
export const frozen: Fault = {
  name: 'frozen',
  title: 'worker frozen past its lease, then woken',
  story: 'The worker gets SIGSTOP just before it sends, sleeps past its lease, and is woken when another has taken over.',
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
    // Strategies that block behind the sleeper never finish before it; nobody waits for that longer than for a lock.
    await Promise.race([stage.broker.idle(), sleep(LOCK_TTL_MS)])
    sleeper.openGate()
    sleeper.wake()
  },
}
