import type Stripe from 'stripe'
import { charge, type Order, type Payment, paid, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'

/**
 * Ask the gateway before every call whether the order has been paid there.
 *
 * The answer is true for the moment at which it was given. Two workers may both hear "no"; the gateway may still be at
 * work on an earlier call; and its search may not show yet what it has done.
 */
export const preCheck: Strategy = {
  name: 'pre-check',
  gateway: 'lookup',
  idea: 'searches the gateway for the order before every charge',

  async start({ pool, stripe }) {
    return {
      async handle({ order }) {
        if ((await statusOf(pool, order)) !== 'open') return
        const payment = (await findPayment(stripe, order)) ?? (await charge(stripe, order))
        await record(pool, order, payment)
      },
      async stop() {},
    }
  },
}

async function findPayment(stripe: Stripe, order: Order): Promise<Payment | undefined> {
  const found = await stripe.paymentIntents.search({ query: `metadata['order_id']:'${order.id}'` })
  const succeeded = found.data.find((intent) => intent.status === 'succeeded')
  return succeeded === undefined ? undefined : paid(succeeded)
}
