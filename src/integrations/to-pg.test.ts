import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import knexOf from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import type { Submittable } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { beginNew, EXECUTED, readEntry, termsOf, World, writeEvent } from '../journal/conformance/subject.js'
import type { PostgresTransaction } from '../journal/postgres/index.js'
import { type PostgresSubject, postgresSubject } from '../journal/subjects.fixture.js'
import { ConfigurationError, type Entry } from '../protocol/index.js'
import { toPg, toPgPool } from './pg.js'

interface Tables {
  readonly orders: { readonly id: string; readonly cents: number }
}

const orders = pgTable('orders', { id: text().primaryKey(), cents: integer().notNull() })
const knex = knexOf({ client: 'pg' })

const kyselyOn = (tx: PostgresTransaction) =>
  new Kysely<Tables>({ dialect: new PostgresDialect({ pool: toPgPool(tx) }) })

/** One write and one read by each library, in the journal's transaction. */
const LIBRARIES: Readonly<Record<string, (tx: PostgresTransaction, id: string) => Promise<unknown>>> = {
  Drizzle: async (tx, id) => {
    const db = drizzle(toPg(tx))
    await db.insert(orders).values({ id, cents: 100 })
    return db.select().from(orders).where(eq(orders.id, id))
  },
  Kysely: async (tx, id) => {
    const db = kyselyOn(tx)
    await db.insertInto('orders').values({ id, cents: 100 }).execute()
    return db.selectFrom('orders').selectAll().where('id', '=', id).execute()
  },
  Knex: async (tx, id) => {
    await knex('orders').connection(toPg(tx)).insert({ id, cents: 100 })
    return knex('orders').connection(toPg(tx)).where({ id })
  },
  pg: async (tx, id) => {
    const client = toPg(tx)
    await client.query('INSERT INTO orders VALUES ($1, 100)', [id])
    return (await client.query({ text: 'SELECT * FROM orders WHERE id = $1', values: [id] })).rows
  },
}

describe('in the transaction of a settled handler', () => {
  let subject: PostgresSubject
  let entry: Entry
  beforeAll(async () => {
    subject = await postgresSubject(inject('postgresUrl'), { listen: false })
    await subject.pool.query('CREATE TABLE orders (id text PRIMARY KEY, cents integer NOT NULL)')
  })
  afterAll(() => subject.close())
  beforeEach(async () => {
    const begun = await beginNew(subject.journal, new World().intent({ hasSettledHandler: true }), termsOf('me'))
    await writeEvent(subject.journal, begun, EXECUTED)
    entry = await readEntry(subject.journal, begun.id)
  })

  async function cents(id: string): Promise<number | undefined> {
    const { rows } = await subject.pool.query<{ cents: number }>('SELECT cents FROM orders WHERE id = $1', [id])
    return rows[0]?.cents
  }

  describe.each(Object.entries(LIBRARIES))('%s', (_name, work) => {
    test('writes and reads, and commits with the settlement', async () => {
      await subject.journal.settle(entry.id, async (tx) => {
        expect(await work(tx, entry.id)).toEqual([{ id: entry.id, cents: 100 }])
        expect(await cents(entry.id)).toBeUndefined()
      })
      expect(await cents(entry.id)).toBe(100)
    })

    test('writes nothing where the handler throws', async () => {
      const broken = new Error('the handler broke')
      const settling = subject.journal.settle(entry.id, async (tx) => {
        await work(tx, entry.id)
        throw broken
      })
      await expect(settling).rejects.toBe(broken)
      expect(await cents(entry.id)).toBeUndefined()
    })

    test("gets PostgreSQL's error of a bad statement", async () => {
      const settling = subject.journal.settle(entry.id, async (tx) => {
        await work(tx, entry.id)
        await work(tx, entry.id)
      })
      await expect(settling).rejects.toSatisfy((error: Error) => /duplicate key/.test(`${error} ${error.cause}`))
    })
  })

  test.each([
    'BEGIN',
    ' begin isolation level serializable',
    'COMMIT',
    'END',
    'ROLLBACK',
    'rollback work',
    'START  TRANSACTION',
    'ABORT',
  ])('%s is refused', async (sql) => {
    const settling = subject.journal.settle(entry.id, async (tx) => {
      await toPg(tx).query(sql)
    })
    await expect(settling).rejects.toThrow(ConfigurationError)
    await expect(settling).rejects.toThrow("the journal's to begin and to end")
  })

  test("a transaction of the library's own is refused before it can end the journal's", async () => {
    const byDrizzle = subject.journal.settle(entry.id, (tx) => drizzle(toPg(tx)).transaction(async () => undefined))
    // Wrapped from Drizzle 0.44.
    await expect(byDrizzle).rejects.toSatisfy((error: Error) =>
      [error, error.cause].some((each) => each instanceof ConfigurationError),
    )
    const byKysely = subject.journal.settle(entry.id, (tx) =>
      kyselyOn(tx)
        .transaction()
        .execute(async () => undefined),
    )
    await expect(byKysely).rejects.toThrow(ConfigurationError)
  })

  test('a savepoint is free to use', async () => {
    await subject.journal.settle(entry.id, async (tx) => {
      const client = toPg(tx)
      await client.query('SAVEPOINT own')
      await client.query('SELECT 1/0').catch(() => undefined)
      await client.query('ROLLBACK TO SAVEPOINT own')
      await client.query('INSERT INTO orders VALUES ($1, 7)', [entry.id])
    })
    expect(await cents(entry.id)).toBe(7)
  })

  test('a cursor is refused', async () => {
    const cursor = { submit: () => undefined } as unknown as Submittable
    const settling = subject.journal.settle(entry.id, async (tx) => {
      await toPg(tx).query(cursor)
    })
    await expect(settling).rejects.toThrow('Cursors and streams')
  })
})
