import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import type { Journal } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, defineEffect } from './index.js'

/** Longer than any test waits: what is made in time was not found by a poll. */
const NEVER_MS = 600_000

let database: TestDatabase
let pool: Pool
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** The looks of a dispatcher come ever less often: after this, the next one is seconds away. */
const ASLEEP_MS = 1_500

describe('a dispatcher that sleeps', () => {
  const made: string[] = []
  let hear: () => void = () => undefined
  const effect = defineEffect<string, unknown, PostgresTransaction>({
    name: 'wake',
    key: (id: string) => id,
    provider: {
      execute: async (id) => {
        made.push(id)
        hear()
        return { id }
      },
      inDoubt: 'park',
    },
  })
  const journals: Journal<PostgresTransaction>[] = []
  const open = (): Counterfoil<PostgresTransaction> => {
    const journal = postgresJournal(pool)
    journals.push(journal)
    return new Counterfoil({ journal, effects: [effect], pollInterval: NEVER_MS })
  }
  afterAll(() => Promise.all(journals.map((journal) => journal.close())))
  const untilMade = (id: string): Promise<void> =>
    new Promise((resolve) => {
      hear = () => {
        if (made.includes(id)) resolve()
      }
      hear()
    })

  let dispatcher: Counterfoil<PostgresTransaction>
  beforeEach(async () => {
    dispatcher = open()
    await dispatcher.start()
    // Nothing tells when it has gone to sleep: the time is its own rule.
    await realClock.sleep(ASLEEP_MS)
    return () => dispatcher.stop()
  })

  it('is woken by the commit of a transaction of another process', async () => {
    const enqueuer = open()
    const client = await pool.connect()
    await client.query('BEGIN')
    await enqueuer.enqueue(effect, 'of another process', { tx: client })
    expect(made).not.toContain('of another process')
    await client.query('COMMIT')
    client.release()
    await untilMade('of another process')
    await enqueuer.stop()
  })

  it('is woken by what its own process enqueues, without the database’s help', async () => {
    await dispatcher.enqueue(effect, 'first')
    await untilMade('first')
    // Too soon after the first for another NOTIFY.
    await dispatcher.enqueue(effect, 'second')
    await untilMade('second')
  })
})
