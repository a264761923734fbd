import { fromDrizzle } from 'counterfoil/drizzle'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { chargeOrder, counterfoil, type Order, pool } from './counterfoil.js'

const orders = pgTable('orders', { id: text().primaryKey(), cents: integer().notNull() })
const db = drizzle(pool)

export async function placeOrder(order: Order): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(orders).values(order)
    await counterfoil.enqueue(chargeOrder, order, { tx: fromDrizzle(tx) })
  })
}

export const close = async (): Promise<void> => {}
