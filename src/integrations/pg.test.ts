import { setImmediate } from 'node:timers/promises'
import { Client, Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil, defineEffect } from '../engine/index.js'
import { migrate, type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { ConfigurationError } from '../protocol/index.js'
import { outboxContract } from './contract.fixture.js'
import { fromPg } from './pg.js'

async function inTransaction(pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

outboxContract('an effect enqueued in a transaction of a pg client', async ({ connectionString }) => {
  const pool = new Pool({ connectionString, max: 2 })
  return {
    transaction: (body) =>
      inTransaction(pool, (client) =>
        body(fromPg(client), (id) => client.query('INSERT INTO orders VALUES ($1, 100)', [id])),
      ),
    refusals: {
      'the pool': () => fromPg(pool as never),
      nothing: () => fromPg(undefined as never),
    },
    ended: /has ended, or there was none/,
    close: () => pool.end(),
  }
})

test('a pg client without BEGIN is refused by the enqueueing', async () => {
  const client = new Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    const writing = fromPg(client).query('SELECT $1::text', ['a'])
    await expect(writing).rejects.toThrow(ConfigurationError)
    await expect(writing).rejects.toThrow(/await its BEGIN/)
  } finally {
    await client.end()
  }
})

describe('a pg client passed to `enqueue` as it is', () => {
  let database: TestDatabase
  let pool: Pool
  let counterfoil: Counterfoil<PostgresTransaction>
  beforeAll(async () => {
    database = await testDatabase()
    pool = new Pool({ connectionString: database.connectionString, max: 2 })
    counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [charge] })
    await migrate(pool)
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  const charge = defineEffect({
    name: 'charge',
    key: (id: string) => id,
    provider: { execute: async (id) => ({ id }), inDoubt: 'park' },
  })
  const enqueue = (tx: PostgresTransaction, id: string) => counterfoil.enqueue(charge, id, { tx })
  const keys = async () =>
    (await pool.query<{ key: string }>('SELECT key FROM counterfoil.entries ORDER BY key')).rows.map(({ key }) => key)

  test('enqueues in its transaction, and is refused where a BEGIN or an await is missing', async () => {
    await inTransaction(pool, async (client) => {
      await enqueue(client, 'kept')
    })
    const client = await pool.connect()
    await expect(enqueue(client, 'no-begin')).rejects.toThrow(/there was none.*Nothing was written/)
    await client.query('BEGIN')
    const late = enqueue(client, 'not-awaited')
    late.catch(() => undefined)
    await client.query('ROLLBACK')
    await expect(late).rejects.toThrow(ConfigurationError)
    client.release()
    expect(await keys()).toEqual(['kept'])
  })

  test('writes nothing in the transaction that has the connection next', async () => {
    // The next one overtakes the enqueueing at each of its steps.
    for (let steps = 0; steps < 24; steps++) {
      let late: Promise<unknown> = Promise.resolve()
      const client = await pool.connect()
      await client.query('BEGIN')
      late = enqueue(client, `overtaken-${steps}`).catch(() => undefined)
      for (let step = 0; step < steps; step++) await (step < 16 ? undefined : setImmediate())
      await client.query('ROLLBACK')
      await client.query('BEGIN')
      await late
      await client.query('COMMIT')
      client.release()
    }
    expect((await keys()).filter((key) => key.startsWith('overtaken'))).toEqual([])
  })

  test('delays who performs the same key until its transaction has ended, and nobody who comes later', async () => {
    const own = new Pool({ connectionString: database.connectionString, max: 4 })
    const others = new Counterfoil({ journal: postgresJournal(own, { listen: false }), effects: [charge] })
    let waiting: Promise<unknown> = Promise.resolve()
    // Those who wait for a journal to be ready begin together.
    await others.perform(charge, 'first')
    await inTransaction(pool, async (client) => {
      await enqueue(client, 'locked')
      waiting = others.perform(charge, 'locked')
      await setImmediate()
      expect(await Promise.all(['free-1', 'free-2'].map((id) => others.perform(charge, id)))).toEqual([
        { id: 'free-1' },
        { id: 'free-2' },
      ])
    })
    expect(await waiting).toEqual({ id: 'locked' })
    await own.end()
  })

  test('is refused at once when it is a pool', async () => {
    const pooled = enqueue(pool, 'pooled')
    await expect(pooled).rejects.toThrow(ConfigurationError)
    await expect(pooled).rejects.toThrow(/it is a pool. Nothing was written/)
    expect(await keys()).not.toContain('pooled')
  })
})
