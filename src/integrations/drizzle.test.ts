import { sql } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { integer, type PgDatabase, type PgQueryResultHKT, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { Pool } from 'pg'
import postgres from 'postgres'
import { type Library, outboxContract } from './contract.fixture.js'
import { fromDrizzle } from './drizzle.js'

const orders = pgTable('orders', { id: text().primaryKey(), cents: integer().notNull() })

/** The same for every driver. */
function libraryOf<Result extends PgQueryResultHKT>(db: PgDatabase<Result>, close: () => Promise<unknown>): Library {
  return {
    transaction: (body) =>
      db.transaction((tx) => body(fromDrizzle(tx), (id) => tx.insert(orders).values({ id, cents: 100 }))),
    refusals: {
      'the database': () => fromDrizzle(db as never),
      'a statement': () => fromDrizzle(sql`SELECT 1` as never),
      nothing: () => fromDrizzle(undefined as never),
    },
    ended: /has ended, or there was none/,
    close,
  }
}

outboxContract('an effect enqueued in a Drizzle transaction on node-postgres', async ({ connectionString }) => {
  const pool = new Pool({ connectionString, max: 2 })
  return libraryOf(drizzleNodePostgres(pool), () => pool.end())
})

outboxContract('an effect enqueued in a nested Drizzle transaction', async ({ connectionString }) => {
  const pool = new Pool({ connectionString, max: 2 })
  const db = drizzleNodePostgres(pool)
  return {
    ...libraryOf(db, () => pool.end()),
    transaction: (body) =>
      db.transaction((outer) =>
        outer.transaction((tx) => body(fromDrizzle(tx), (id) => outer.insert(orders).values({ id, cents: 100 }))),
      ),
  }
})

outboxContract('an effect enqueued in a Drizzle transaction on postgres.js', async ({ connectionString }) => {
  const client = postgres(connectionString, { max: 2 })
  return libraryOf(drizzlePostgresJs(client), () => client.end())
})
