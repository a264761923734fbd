import { charge, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'

/**
 * One stable key per order, never per attempt: the gateway answers every repetition with its first response.
 *
 * As long as it remembers the key. After that (24 hours at Stripe, one hour at Mollie) a repetition is a new charge.
 */
export const idempotencyKey: Strategy = {
  name: 'idempotency-key',
  gateway: 'keys',
  idea: 'sends one stable idempotency key per order with every attempt',

  async start({ pool, stripe }) {
    return {
      async handle({ order }) {
        if ((await statusOf(pool, order)) !== 'open') return
        const payment = await charge(stripe, order, { idempotencyKey: `charge-${order.id}` })
        await record(pool, order, payment)
      },
      async stop() {},
    }
  },
}
