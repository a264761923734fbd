import { fromKnex } from 'counterfoil/knex'
import knexOf from 'knex'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const knex = knexOf({ client: 'pg', connection: process.env.DATABASE_URL ?? '' })

export async function placeOrder(order: Order): Promise<void> {
  await knex.transaction(async (trx) => {
    await trx('orders').insert(order)
    await counterfoil.enqueue(chargeOrder, order, { tx: fromKnex(trx) })
  })
}

export const close = (): Promise<void> => knex.destroy()
