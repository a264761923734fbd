import { fromPostgresJs } from 'counterfoil/postgres-js'
import postgres from 'postgres'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const sql = postgres(process.env.DATABASE_URL ?? '')

export async function placeOrder(order: Order): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`INSERT INTO orders (id, cents) VALUES (${order.id}, ${order.cents})`
    await counterfoil.enqueue(chargeOrder, order, { tx: fromPostgresJs(sql) })
  })
}

export const close = (): Promise<void> => sql.end()
