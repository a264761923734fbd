import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../test/support/pgbouncer.js'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil, defineEffect } from '../engine/index.js'
import { MemoryJournal } from '../journal/memory/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { purgeMessages } from '../journal/postgres/sql/inbox.js'
import { ConfigurationError, InvalidInputError, InvalidMessageError } from '../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../system/index.js'
import { keepInbox, purgeInbox } from './index.js'

const inMemory = () => new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [] })

describe('receive', () => {
  it('refuses what does not name a message, before anything is written', async () => {
    const counterfoil = inMemory()
    const never = () => expect.unreachable('the handler ran')
    for (const [message, problem] of [
      [{ source: '', id: 'm' }, 'source is empty'],
      [{ source: 's'.repeat(513), id: 'm' }, 'over the limit of 512'],
      [{ source: 's', id: '' }, 'id is empty'],
      [{ source: 's', id: undefined as unknown as string }, 'id must be a string; it is undefined'],
      [{ source: 's', id: 'a\u0000b' }, 'id holds U+0000'],
      [{ source: 's', id: 'm', consumer: '\ud800' }, 'consumer holds'],
    ] as const) {
      const refused = counterfoil.receive(message, never)
      await expect(refused).rejects.toThrow(InvalidMessageError)
      await expect(refused).rejects.toThrow(problem)
    }
  })

  it('takes ids of any length, and keeps apart what only looks alike', async () => {
    const counterfoil = inMemory()
    const long = 'x'.repeat(100_000)
    for (const message of [
      { source: 's', id: long },
      { source: 's', id: `${long}x` },
      { source: 's', id: 'a', consumer: 'b' },
      { source: 's', id: 'a', consumer: 'c' },
      { source: 'sa', id: 'b' },
      { source: 's', id: 'ab' },
    ]) {
      expect(await counterfoil.receive(message, () => message.id.length)).toMatchObject({ duplicate: false })
      expect(await counterfoil.receive(message, () => 'again')).toEqual({ duplicate: true, result: message.id.length })
    }
  })

  it('gives the first and the duplicate the same result, as JSON gives it back', async () => {
    const counterfoil = inMemory()
    const result = { order: 'o1', left: undefined }
    const receive = () => counterfoil.receive({ source: 's', id: 'm' }, () => result)
    expect(await receive()).toStrictEqual({ duplicate: false, result: { order: 'o1' } })
    expect(await receive()).toStrictEqual({ duplicate: true, result: { order: 'o1' } })
  })

  it('refuses a result that JSON cannot carry, and then nothing was written', async () => {
    const counterfoil = inMemory()
    const receive = (result: unknown) => counterfoil.receive({ source: 's', id: 'm' }, () => result)
    await expect(receive({ at: new Date() })).rejects.toThrow(InvalidInputError)
    await expect(receive(10n)).rejects.toThrow('result is a bigint')
    expect(await receive('fine')).toEqual({ duplicate: false, result: 'fine' })
  })

  it('refuses a retention that makes no sense', () => {
    const journal = new MemoryJournal({ clock: realClock })
    for (const retention of [0, '40000d'] as const) {
      expect(() => new Counterfoil({ journal, effects: [], inbox: { retention } })).toThrow(ConfigurationError)
    }
  })
})

describe('receive on PostgreSQL', () => {
  let database: TestDatabase
  let pooler: PgBouncer | undefined
  const pools: Pool[] = []
  beforeAll(async () => {
    database = await testDatabase()
    const pool = poolOf(database.connectionString)
    await pool.query('CREATE TABLE orders (id text NOT NULL)')
    if (hasPgBouncer()) pooler = await startPgBouncer(database.connectionString)
  })
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()))
    await pooler?.stop()
    await database.drop()
  })

  function poolOf(connectionString: string, options?: string): Pool {
    const pool = new Pool({ connectionString, max: 8, ...(options === undefined ? {} : { options }) })
    pools.push(pool)
    return pool
  }

  function shop(pool: Pool, retention: number | '7d' = '7d') {
    const made: string[] = []
    const charge = defineEffect<{ id: string }, { id: string }, PostgresTransaction>({
      name: 'charge',
      key: (order) => order.id,
      provider: {
        execute: async ({ id }) => {
          made.push(id)
          return { id: `ch_${id}` }
        },
        inDoubt: 'park',
      },
    })
    const journal = postgresJournal(pool)
    const counterfoil = new Counterfoil({ journal, effects: [charge], inbox: { retention }, pollInterval: 20 })
    const order = async (id: string, then: () => Promise<void> = async () => undefined) =>
      counterfoil.receive({ source: 'orders', id }, async (tx) => {
        await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
        await counterfoil.enqueue(charge, { id }, { tx })
        await then()
        return { accepted: id }
      })
    const ordered = async (id: string) =>
      (await pool.query('SELECT count(*)::int AS count FROM orders WHERE id = $1', [id])).rows[0]?.count
    return { journal, counterfoil, charge, order, ordered, made }
  }

  it('commits the message, the writes and the effects together, or nothing of them', async () => {
    const { order, ordered, counterfoil, charge, made } = shop(poolOf(database.connectionString))
    await expect(order('together', () => Promise.reject(new Error('the shop is closed')))).rejects.toThrow('closed')
    expect(await ordered('together')).toBe(0)
    expect(await order('together')).toEqual({ duplicate: false, result: { accepted: 'together' } })
    expect(await order('together')).toEqual({ duplicate: true, result: { accepted: 'together' } })
    expect(await ordered('together')).toBe(1)
    await counterfoil.start()
    expect(await counterfoil.perform(charge, { id: 'together' })).toEqual({ id: 'ch_together' })
    await counterfoil.stop()
    expect(made).toEqual(['together'])
  })

  it('a duplicate that waits is told so under every isolation level of the database', async () => {
    for (const level of ['read\\ committed', 'repeatable\\ read', 'serializable']) {
      const { order, ordered } = shop(poolOf(database.connectionString, `-c default_transaction_isolation=${level}`))
      const results = await Promise.all(Array.from({ length: 6 }, () => order(level)))
      expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
      expect(new Set(results.map(({ result }) => result.accepted))).toEqual(new Set([level]))
      expect(await ordered(level)).toBe(1)
    }
  })

  it('works behind PgBouncer in transaction mode', async () => {
    // Where there is no pgbouncer, `hasPgBouncer` has said so; the promise itself holds on any connection.
    const { order, ordered, journal } = shop(poolOf(pooler?.connectionString ?? database.connectionString), 1)
    const ids = Array.from({ length: 20 }, (_, i) => `pooled-${i % 5}`)
    await Promise.all(ids.map((id) => order(id)))
    for (const id of new Set(ids)) expect(await ordered(id)).toBeGreaterThan(0)
    expect(await purgeInbox(journal)).toBeGreaterThan(0)
  })

  it('a message is new again once its retention is over and it was purged', async () => {
    const { order, ordered, journal } = shop(poolOf(database.connectionString), 1)
    await order('forgotten')
    await realClock.sleep(5)
    await purgeInbox(journal)
    expect(await order('forgotten')).toMatchObject({ duplicate: false })
    expect(await ordered('forgotten')).toBe(2)
  })

  it('purging finds what is over by the index, and takes no lock that a receiver waits for', async () => {
    const pool = poolOf(database.connectionString)
    const { journal, order } = shop(pool)
    await purgeInbox(journal)
    await pool.query(`INSERT INTO counterfoil.inbox (id, received_at, expires_at, begun, shard, namespace, consumer, source, message_id)
      SELECT gen_random_uuid(), now(), now() + CASE WHEN i % 10 = 0 THEN interval '-1 hour' ELSE interval '1 day' END, 1, i % 16, 'n', 'c', 's', i::text
      FROM generate_series(1, 20000) AS i`)
    await pool.query('ANALYZE counterfoil.inbox')
    const { text } = purgeMessages('counterfoil')
    const plan = (await pool.query(`EXPLAIN ${text.replace('$1::bigint', '32')}`)).rows.map((row) => row['QUERY PLAN'])
    expect(plan.join('\n')).toContain('inbox_expiry')
    expect(plan.join('\n')).not.toContain('Seq Scan on inbox')
    const [forgotten, ...received] = await Promise.all([
      purgeInbox(journal),
      ...Array.from({ length: 20 }, (_, i) => order(`beside-${i}`)),
    ])
    expect(forgotten).toBe(2000)
    expect(received.every(({ duplicate }) => !duplicate)).toBe(true)
    expect(await purgeInbox(journal)).toBe(0)
    expect((await pool.query('SELECT count(*)::int AS count FROM counterfoil.inbox')).rows[0]?.count).toBeGreaterThan(
      18_000,
    )
  })
})

describe('the keeper', () => {
  it('forgets old messages about every minute, tells of trouble and goes on', async () => {
    let wake: () => void = () => undefined
    const slept: number[] = []
    const clock: Clock = {
      ...realClock,
      sleep: (delayMs, signal) =>
        new Promise((resolve) => {
          slept.push(delayMs)
          wake = resolve
          signal?.addEventListener('abort', () => resolve(), { once: true })
        }),
    }
    const purged: number[] = []
    const errors: unknown[] = []
    const journal = new MemoryJournal({ clock: realClock })
    const told = new Promise<void>((resolve) => {
      Object.assign(journal.inbox, {
        purge: async (limit: number) => {
          purged.push(limit)
          if (purged.length === 1) throw new Error('out of reach')
          resolve()
          return 0
        },
      })
    })
    const keeper = keepInbox(journal, {
      clock,
      randomness: realRandomness,
      onError: (error) => errors.push(error),
    })
    while (purged.length < 2) {
      wake()
      await new Promise(setImmediate)
    }
    await told
    await keeper.stop()
    expect(errors).toHaveLength(1)
    expect(slept.every((delayMs) => delayMs >= 30_000 && delayMs <= 60_000)).toBe(true)
  })
})
