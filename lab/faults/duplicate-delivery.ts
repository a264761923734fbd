import type { Fault } from '../fault.js'
import { RACE_WINDOW_MS } from '../timing.js'
import { onFirstCharge, publish } from './striking.js'

/** The broker delivers a message twice at once, as after a failover; the call takes long enough for both to be in it. */
export const duplicateDelivery: Fault = {
  name: 'duplicate-delivery',
  title: 'same message twice at once',
  story: 'The broker delivers a message to two workers at the same time.',
  async inject(stage) {
    await stage.gateway.setFaults(
      onFirstCharge(stage.struck, () => ({ kind: 'delay', beforeCommitMs: RACE_WINDOW_MS })),
    )
    const workers = [await stage.join(), await stage.join()]
    for (const order of stage.struck) stage.broker.deliverTo(workers, stage.messageFor(order))
    publish(stage, stage.spared)
  },
}
