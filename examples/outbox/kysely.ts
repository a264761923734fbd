import { fromKysely } from 'counterfoil/kysely'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const db = new Kysely<{ orders: Order }>({ dialect: new PostgresDialect({ pool }) })

export async function placeOrder(order: Order): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx.insertInto('orders').values(order).execute()
    await counterfoil.enqueue(chargeOrder, order, { tx: fromKysely(trx) })
  })
}

export const close = (): Promise<void> => db.destroy()
