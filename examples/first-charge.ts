import { Counterfoil, defineEffect, EffectInDoubt, EffectRejected } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import pg from 'pg'
import Stripe from 'stripe'

interface Order {
  readonly id: string
  readonly cents: number
  readonly card: string
}

const stripe = new Stripe(process.env.STRIPE_KEY ?? '')
const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 3_000, // without these two, a statement waits for ever where the network is cut
  query_timeout: 6_000,
})

const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  provider: stripePaymentIntents(stripe, (order: Order) => ({
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
  })),
})

const counterfoil = new Counterfoil({
  journal: postgresJournal(pool),
  effects: [chargeOrder],
  hooks: {
    onParked: ({ key }, reason) => console.error(`order ${key} needs a person: ${reason?.message}`), // docs/parked.md
    onError: console.error,
  },
})
await counterfoil.start() // in at least one process: ends doubts, takes over from lost workers

export async function pay(order: Order): Promise<string> {
  try {
    const payment = await counterfoil.perform(chargeOrder, order) // however often, wherever, at once: one charge
    return `paid with ${payment.id}`
  } catch (error) {
    if (error instanceof EffectRejected) return `declined: ${error.reason.message}`
    if (error instanceof EffectInDoubt) return `not known yet: ask again, or answer 202 with ${error.identity.id}`
    throw error
  }
}
