import { Counterfoil, defineEffect, EffectRejected } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import pg from 'pg'
import Stripe from 'stripe'

export interface Order {
  readonly id: string
  readonly cents: number
  readonly card: string
}

export type Payment = { readonly paid: string } | { readonly declined: string }

const { protocol, hostname, port } = new URL(process.env.STRIPE_URL ?? 'https://api.stripe.com')
const stripe = new Stripe(process.env.STRIPE_KEY ?? 'sk_test_none', {
  protocol: protocol === 'http:' ? 'http' : 'https',
  host: hostname,
  port: port === '' ? 443 : port,
})

const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id, // what must be paid once: never the id of a job, a run or a workflow
  timeout: '5s', // a call whose worker was lost is taken over after this and `leaseGrace`
  leaseGrace: '2s',
  provider: stripePaymentIntents(stripe, (order: Order) => ({
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
    metadata: { order_id: order.id },
  })),
})

export const databaseUrl = process.env.DATABASE_URL ?? 'postgresql://localhost/shop'
const pool = new pg.Pool({ connectionString: databaseUrl }) // give yours timeouts: docs/dispatcher.md, "The pool"
export const counterfoil = new Counterfoil({ journal: postgresJournal(pool), effects: [chargeOrder] })

/** The body of the engine's step, however often it is run. */
export async function pay(order: Order): Promise<Payment> {
  try {
    const receipt = await counterfoil.perform(chargeOrder, order, { wait: '60s' })
    return { paid: receipt.id }
  } catch (error) {
    // Final, and so it is a result: the engine must not try it again.
    if (error instanceof EffectRejected) return { declined: error.reason.message }
    // EffectInDoubt among others: the engine runs the step again later, and `perform` goes on from where it is.
    throw error
  }
}
