import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { KEY_WINDOW_MS, OUTAGE_MS, PREFETCH } from '../timing.js'
import { killAfterCharge } from './killed.js'
import { publish } from './striking.js'

/** A crash on Friday, the redelivery on Monday: by then the gateway has forgotten the key. */
export const prunedKey: Fault = {
  name: 'pruned-key',
  title: 'retry after the key was pruned',
  story: 'The worker is killed before its commit, and all is down for longer than the gateway remembers a key.',
  gateway: { keyWindowMs: KEY_WINDOW_MS },
  strikesAtMost: PREFETCH,
  async inject(stage) {
    await killAfterCharge(stage)
    // The outage is the fault: it has to last.
    await sleep(OUTAGE_MS)
    await stage.join()
    publish(stage, stage.spared)
  },
}
