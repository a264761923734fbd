// The body of the step as it is written without Counterfoil. The engines' files are the same.
import Stripe from 'stripe'

interface Order {
  readonly id: string
  readonly cents: number
  readonly card: string
}

const { hostname, port } = new URL(process.env.STRIPE_URL ?? '')
const stripe = new Stripe('sk_test_none', { protocol: 'http', host: hostname, port })

export const databaseUrl: string | undefined = process.env.DATABASE_URL
export const counterfoil = { start: async (): Promise<void> => undefined }

export async function pay(order: Order): Promise<{ paid: string }> {
  const payment = await stripe.paymentIntents.create({
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
    confirm: true,
    metadata: { order_id: order.id },
  })
  return { paid: payment.id }
}
