import { defineEffect } from 'counterfoil'
import { toPg, toPgPool } from 'counterfoil/pg'
import type { PostgresTransaction } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { boolean, pgTable, text } from 'drizzle-orm/pg-core'
import knexOf from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import Stripe from 'stripe'
import type { Order } from './counterfoil.js'

const orders = pgTable('orders', { id: text().primaryKey(), paid: boolean().notNull() })

async function markPaidByDrizzle(tx: PostgresTransaction, id: string): Promise<void> {
  await drizzle(toPg(tx)).update(orders).set({ paid: true }).where(eq(orders.id, id))
}

async function markPaidByKysely(tx: PostgresTransaction, id: string): Promise<void> {
  const db = new Kysely<{ orders: { id: string; paid: boolean } }>({
    dialect: new PostgresDialect({ pool: toPgPool(tx) }),
  })
  await db.updateTable('orders').set({ paid: true }).where('id', '=', id).execute()
}

const knex = knexOf({ client: 'pg' })

async function markPaidByKnex(tx: PostgresTransaction, id: string): Promise<void> {
  await knex('orders').connection(toPg(tx)).where({ id }).update({ paid: true })
}

export const markPaid = { markPaidByDrizzle, markPaidByKysely, markPaidByKnex }

const stripe = new Stripe(process.env.STRIPE_KEY ?? 'sk_test_none')

export const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  provider: stripePaymentIntents(stripe, (order: Order) => ({ amount: order.cents, currency: 'eur' })),
  settled: async (tx: PostgresTransaction, order, outcome) => {
    if (outcome.kind === 'succeeded') await markPaidByDrizzle(tx, order.id)
  },
})
