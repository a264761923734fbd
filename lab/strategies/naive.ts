import { charge, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'

/**
 * Look whether the order is paid; if not, take the money and write it down.
 *
 * Between the look and the note lies the call. Whoever looks in that time, and whoever comes after a worker that was
 * lost in it, sees an unpaid order.
 */
export const naive: Strategy = {
  name: 'naive',
  gateway: 'none',
  idea: 'reads the order, charges, marks it paid',

  async start({ pool, stripe }) {
    return {
      async handle({ order }) {
        if ((await statusOf(pool, order)) !== 'open') return
        const payment = await charge(stripe, order)
        await record(pool, order, payment)
      },
      async stop() {},
    }
  },
}
