import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import { outboxContract } from './contract.fixture.js'
import { fromKysely } from './kysely.js'

interface Tables {
  readonly orders: { readonly id: string; readonly cents: number }
}

function connect(connectionString: string): Kysely<Tables> {
  const pool = new Pool({ connectionString, max: 2 })
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
}

outboxContract('an effect enqueued in a Kysely transaction', async ({ connectionString }) => {
  const db = connect(connectionString)
  return {
    transaction: (body) =>
      db
        .transaction()
        .execute((trx) => body(fromKysely(trx), (id) => trx.insertInto('orders').values({ id, cents: 100 }).execute())),
    refusals: {
      'the database': () => fromKysely(db as never),
      'the builder of a transaction': () => fromKysely(db.transaction() as never),
      nothing: () => fromKysely(undefined as never),
    },
    ended: /already committed|has ended/,
    close: () => db.destroy(),
  }
})

outboxContract('an effect enqueued in a controlled transaction of Kysely', async ({ connectionString }) => {
  const db = connect(connectionString)
  return {
    transaction: async (body) => {
      const trx = await db.startTransaction().execute()
      try {
        await body(fromKysely(trx), (id) => trx.insertInto('orders').values({ id, cents: 100 }).execute())
        await trx.commit().execute()
      } catch (error) {
        await trx.rollback().execute()
        throw error
      }
    },
    refusals: { 'a transaction that is not awaited': () => fromKysely(db.startTransaction() as never) },
    ended: /already committed|has ended/,
    close: () => db.destroy(),
  }
})
