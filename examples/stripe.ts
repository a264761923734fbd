import { defineEffect } from 'counterfoil'
import { stripePaymentIntents } from 'counterfoil/stripe'
import Stripe from 'stripe'

export interface Order {
  readonly id: string
  readonly cents: number
  readonly customer: string
  readonly card: string
}

const stripe = new Stripe(process.env.STRIPE_KEY ?? 'sk_test_none')

export const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  provider: stripePaymentIntents(stripe, (order: Order) => ({
    amount: order.cents,
    currency: 'eur',
    customer: order.customer,
    payment_method: order.card,
    metadata: { order_id: order.id },
  })),
})
