import type { Fault } from '../fault.js'
import { LATE_COMMIT_MS, PREFETCH } from '../timing.js'
import { onFirstCharge, publish } from './striking.js'

/** The client's time-out says when the client stopped waiting, and nothing of when the gateway stops working. */
export const lateCommit: Fault = {
  name: 'late-commit',
  title: 'client times out, gateway commits later',
  story: 'The worker gives the call up after its time-out; the gateway takes the money a moment later.',
  // All in hand at once, so that every one of them is tried again before the gateway has committed.
  strikesAtMost: 2 * PREFETCH,
  async inject(stage) {
    await stage.gateway.setFaults(
      onFirstCharge(stage.struck, () => ({ kind: 'commit_after_client_gave_up', lateMs: LATE_COMMIT_MS })),
    )
    await stage.join()
    await stage.join()
    publish(stage, [...stage.struck, ...stage.spared])
  },
}
