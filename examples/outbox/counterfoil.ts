import { Counterfoil, defineEffect } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
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
export const counterfoil = new Counterfoil({ journal: postgresJournal(pool), effects: [chargeOrder] })
