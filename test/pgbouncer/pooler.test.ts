import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Counterfoil, defineEffect } from '../../src/index.js'
import { postgresJournal } from '../../src/journal/postgres/index.js'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.js'
import { type TestDatabase, testDatabase } from '../support/postgres.js'

describe.runIf(hasPgBouncer())('behind PgBouncer in transaction mode', () => {
  let database: TestDatabase
  let pooler: PgBouncer
  const pools: Pool[] = []

  beforeAll(async () => {
    database = await testDatabase()
    pooler = await startPgBouncer(database.connectionString)
  })
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()))
    await pooler?.stop()
    await database?.drop()
  })

  function open(execute: (key: string) => Promise<{ id: string }>) {
    const pool = new Pool({ connectionString: pooler.connectionString, max: 8 })
    pools.push(pool)
    const effect = defineEffect({
      name: 'charge',
      key: (order: { id: string }) => order.id,
      serializeBy: (order) => order.id.slice(0, 1),
      provider: { execute: ({ id }) => execute(id), inDoubt: 'park' },
      settled: async (tx: { query(text: string, values?: unknown[]): Promise<unknown> }, order) => {
        await tx.query('INSERT INTO paid (id) VALUES ($1)', [order.id])
      },
    })
    const counterfoil = new Counterfoil({ journal: postgresJournal(pool), effects: [effect], pollInterval: 20 })
    return { pool, effect, counterfoil }
  }

  it('concurrent duplicates in several engines make one call, waiters hear of it, and handlers settle once', async () => {
    const calls: string[] = []
    const charge = async (key: string): Promise<{ id: string }> => {
      calls.push(key)
      return { id: `ch_${key}` }
    }
    const engines = [open(charge), open(charge), open(charge)]
    await engines[0]?.pool.query('CREATE TABLE paid (id text PRIMARY KEY)')
    for (const { counterfoil } of engines) await counterfoil.start()
    const keys = Array.from({ length: 40 }, (_, i) => `${'abcd'[i % 4]}-${i}`)
    const receipts = await Promise.all(
      engines.flatMap(({ counterfoil, effect }) => keys.map((id) => counterfoil.perform(effect, { id }))),
    )
    for (const { counterfoil } of engines) await counterfoil.stop()
    expect([...calls].sort()).toEqual([...keys].sort())
    expect(new Set(receipts.map(({ id }) => id))).toEqual(new Set(keys.map((key) => `ch_${key}`)))
    const { rows } = (await engines[0]?.pool.query('SELECT count(*)::int AS paid FROM paid')) ?? { rows: [] }
    expect(rows).toEqual([{ paid: keys.length }])
  })
})
