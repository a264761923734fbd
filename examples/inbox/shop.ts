import { Counterfoil, defineEffect } from 'counterfoil'
import { type PostgresTransaction, postgresJournal } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import pg from 'pg'
import Stripe from 'stripe'

export interface Order {
  readonly id: string
  readonly cents: number
}

const stripe = new Stripe(process.env.STRIPE_KEY ?? 'sk_test_none')

export const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  provider: stripePaymentIntents(stripe, (order: Order) => ({ amount: order.cents, currency: 'eur' })),
})

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 3_000,
  query_timeout: 6_000,
})
export const counterfoil = new Counterfoil({
  journal: postgresJournal(pool),
  effects: [chargeOrder],
  inbox: { retention: '14d' },
})

/** What a message asks for: all of it in one transaction, and no call to a service. */
export async function placeOrder(tx: PostgresTransaction, order: Order): Promise<{ placed: string }> {
  await tx.query('INSERT INTO orders (id, cents) VALUES ($1, $2)', [order.id, order.cents])
  await counterfoil.enqueue(chargeOrder, order, { tx })
  return { placed: order.id }
}
