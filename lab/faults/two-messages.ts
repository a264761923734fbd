import type { Fault } from '../fault.js'
import { RACE_WINDOW_MS } from '../timing.js'
import { onFirstCharge, publish } from './striking.js'

/** The customer clicked twice, or a producer published again under a new id: two messages that mean one payment. */
export const twoMessages: Fault = {
  name: 'two-messages',
  title: 'two messages for one order',
  story: 'Two different messages ask for one order to be paid, and reach two workers at the same time.',
  async inject(stage) {
    await stage.gateway.setFaults(
      onFirstCharge(stage.struck, () => ({ kind: 'delay', beforeCommitMs: RACE_WINDOW_MS })),
    )
    const workers = [await stage.join(), await stage.join()]
    for (const order of stage.struck) {
      for (const worker of workers) stage.broker.deliverTo([worker], stage.messageFor(order))
    }
    publish(stage, stage.spared)
  },
}
