import { Pool, type PoolClient } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/support/postgres.js'
import { Counterfoil, defineEffect } from '../../engine/index.js'
import { fromPg } from '../../integrations/pg.js'
import { JournalError } from '../../protocol/index.js'
import { type Clock, realClock } from '../../system/index.js'
import { inTransaction } from '../subjects.fixture.js'
import { migrate, postgresJournal } from './index.js'

const charge = defineEffect({
  name: 'charge',
  key: (order: { readonly id: string }) => order.id,
  provider: { execute: async ({ id }) => ({ id }), inDoubt: 'park' },
})

/** What waits on it, waits no longer. */
const impatient: Clock = { ...realClock, sleep: async () => undefined }

describe('the first use of a journal by an enqueueing, on a pool of one connection', () => {
  let database: TestDatabase
  let pool: Pool
  beforeEach(async () => {
    database = await testDatabase()
    pool = new Pool({ connectionString: database.connectionString, max: 1 })
  })
  afterEach(async () => {
    await pool.end()
    await database.drop()
  })

  const counterfoilWith = (clock: Clock) =>
    new Counterfoil({ journal: postgresJournal(pool, { listen: false, clock }), effects: [charge] })

  test.each([
    ['a bare client', (client: PoolClient) => client],
    ['fromPg', fromPg],
  ])('needs no second connection where the tables are there (%s)', async (_, adapted) => {
    await migrate(pool)
    const counterfoil = counterfoilWith(realClock)
    for (const isolation of ['READ COMMITTED', 'SERIALIZABLE']) {
      const enqueued = inTransaction(pool, async (client) => {
        await client.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`)
        return counterfoil.enqueue(charge, { id: isolation }, { tx: adapted(client) })
      })
      expect(await enqueued).toMatchObject({ created: true })
    }
  })

  test('says what to do, and never waits for ever, where they are not; then they are made, and it works', async () => {
    const counterfoil = counterfoilWith(impatient)
    const enqueue = (client: PoolClient) => counterfoil.enqueue(charge, { id: 'o1' }, { tx: client })
    const first = inTransaction(pool, enqueue)
    await expect(first).rejects.toThrow(JournalError)
    await expect(first).rejects.toThrow('Call `migrate(pool)` or `counterfoil.start()` when your process starts')
    // The migration was first in the pool's queue, so this transaction begins behind it.
    expect(await inTransaction(pool, enqueue)).toMatchObject({ created: true })
    expect((await pool.query('SELECT key FROM counterfoil.entries')).rows).toEqual([{ key: 'o1' }])
  })

  test('makes the tables beside the transaction where the pool has a connection more', async () => {
    const wide = new Pool({ connectionString: database.connectionString, max: 2 })
    const counterfoil = new Counterfoil({ journal: postgresJournal(wide, { listen: false }), effects: [charge] })
    const client = await wide.connect()
    await client.query('BEGIN')
    expect(await counterfoil.enqueue(charge, { id: 'o1' }, { tx: client })).toMatchObject({ created: true })
    await client.query('ROLLBACK')
    client.release()
    expect((await pool.query('SELECT key FROM counterfoil.entries')).rows).toEqual([])
    await wide.end()
  })
})
