import { defineEffect } from 'counterfoil'
import type { PostgresTransaction } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import Stripe from 'stripe'

export interface Order {
  readonly id: string
  readonly cents: number
  readonly card: string
}

const stripe = new Stripe(process.env.STRIPE_KEY ?? 'sk_test_none')

export const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  provider: stripePaymentIntents(stripe, (order: Order) => ({
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
  })),
  settled: async (tx: PostgresTransaction, order, outcome) => {
    if (outcome.kind === 'succeeded') {
      const payment = outcome.receipt.id
      await tx.query("UPDATE orders SET state = 'paid', payment = $2 WHERE id = $1", [order.id, payment])
    } else {
      await tx.query("UPDATE orders SET state = 'declined', why = $2 WHERE id = $1", [order.id, outcome.message])
    }
  },
})
