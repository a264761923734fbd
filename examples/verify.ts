import { defineEffect } from 'counterfoil'
import { stripePaymentIntents } from 'counterfoil/stripe'
import { defineVerification, gatewayService, type ServiceAddress } from 'counterfoil/testing'
import Stripe from 'stripe'

interface Order {
  readonly id: string
  readonly cents: number
}

const chargeOrder = (stripe: Stripe) =>
  defineEffect({
    name: 'charge-order',
    key: (order: Order) => order.id,
    provider: stripePaymentIntents(stripe, (order: Order) => ({
      amount: order.cents,
      currency: 'eur',
      payment_method: 'pm_card_visa',
      metadata: { order_id: order.id },
    })),
  })

const stripeAt = ({ host, port }: ServiceAddress) => new Stripe('sk_test_any', { host, port, protocol: 'http' })

export default defineVerification({
  service: () => gatewayService(),
  effects: [{ effect: (at) => chargeOrder(stripeAt(at)), input: (id) => ({ id, cents: 1200 }) }],
})
