import { fromPg } from 'counterfoil/pg'
import { chargeOrder, counterfoil, type Order, pool } from './counterfoil.js'

export async function placeOrder(order: Order): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('INSERT INTO orders (id, cents) VALUES ($1, $2)', [order.id, order.cents])
    await counterfoil.enqueue(chargeOrder, order, { tx: fromPg(client) })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

export const close = async (): Promise<void> => {}
