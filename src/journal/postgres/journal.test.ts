import { Pool, types } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { JournalError, transition } from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  EXECUTED,
  holderOf,
  readEntry,
  termsOf,
  toMicros,
  World,
  writeEvent,
} from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { migrate, postgresJournal } from './index.js'
import { successColumns, writeColumns } from './parameters.js'
import { statementsFor } from './statements.js'

describe.each(postgresServers())('the journal in $name', ({ url }) => {
  let subject: PostgresSubject
  const world = new World()
  beforeAll(async () => {
    subject = await postgresSubject(url)
  })
  afterAll(() => subject.close())

  test('a bad row in a batch is refused alone, and its neighbours are written', async () => {
    const good = world.intents(9)
    const bad = [
      { ...world.intent(), reference: 'r'.repeat(40) },
      { ...world.intent(), key: 'with \u0000 in it' },
      { ...world.intent(), generation: 0 },
    ]
    const batch = [...good.slice(0, 4), ...bad, ...good.slice(4)]
    const results = await subject.journal.begin(batch.map((intent) => ({ intent, terms: termsOf('me') })))
    expect(results.map((each) => each instanceof JournalError)).toEqual(batch.map((intent) => !good.includes(intent)))
    const refused = results[4]
    expect(refused).toMatchObject({
      transient: false,
      message: expect.stringMatching(/entries_reference.*Nothing was written/),
    })
    expect(await subject.journal.read(bad.map((intent) => intent.id))).toEqual([null, null, null])

    const entries = good.map((intent) => accepted(results[batch.indexOf(intent)]).entry)
    const writes = entries.map((entry, i) => {
      const change = transition(entry, EXECUTED)
      return { ...holderOf(entry), change: i === 3 ? { ...change, externalId: '\u0000' } : change }
    })
    const written = await subject.journal.write(writes)
    expect(written.map((each) => each instanceof JournalError)).toEqual(writes.map((_, i) => i === 3))
    expect((await subject.journal.read(entries.map((entry) => entry.id))).map((seen) => seen?.entry.state)).toEqual(
      entries.map((_, i) => (i === 3 ? 'executing' : 'succeeded')),
    )
  })

  test('a bad row that waits for its turn leaves what was begun beside it with its holder', async () => {
    const free = world.intents(3)
    const bad = { ...world.intent({ serializeKey: 'customer' }), reference: 'r'.repeat(40) }
    const good = world.intent({ serializeKey: 'customer' })
    const batch = [...free, bad, good]
    const results = await subject.journal.begin(batch.map((intent) => ({ intent, terms: termsOf('me') })))
    expect(results[3]).toBeInstanceOf(JournalError)
    for (const i of [0, 1, 2]) {
      expect(results[i]).toMatchObject({ created: true, entry: { state: 'executing', owner: 'me' } })
    }
    expect(results[4]).toMatchObject({ created: true, entry: { state: 'pending' } })
  })

  test('what a refused row held stays out of the error', async () => {
    const intent = { ...world.intent({ input: { secret: 'pan-4242424242424242' } }), generation: 0 }
    const [refused] = await subject.journal.begin([{ intent, terms: termsOf('me') }])
    const { inspect } = await import('node:util')
    expect(refused).toBeInstanceOf(JournalError)
    expect(inspect(refused, { depth: 10 })).not.toContain('4242')
  })

  test('the type parsers and the time zone of the application do not matter', async () => {
    const kept = new Map([20, 114, 1184, 2950, 16, 23].map((oid) => [oid, types.getTypeParser(oid)]))
    for (const oid of kept.keys()) types.setTypeParser(oid, () => 'parsed by the application')
    const pool = new Pool({
      connectionString: subject.connectionString,
      max: 1,
      options: '-c TimeZone=Asia/Tokyo -c DateStyle=German -c extra_float_digits=0',
    })
    try {
      const journal = postgresJournal(pool, { listen: false })
      const entry = await beginNew(journal, world.intent(), termsOf('me'))
      expect(await readEntry(journal, entry.id)).toEqual(toMicros(entry))
    } finally {
      await pool.end()
      for (const [oid, parser] of kept) types.setTypeParser(oid, parser)
    }
  })

  test('one connection is enough, also to listen beside it', async () => {
    const pool = new Pool({ connectionString: subject.connectionString, max: 1 })
    const journal = postgresJournal(pool)
    const stop = journal.subscribe(() => undefined)
    const results = await Promise.all(world.intents(5).map((intent) => beginNew(journal, intent, termsOf('me'))))
    expect(results).toHaveLength(5)
    stop()
    await journal.close()
    await pool.end()
  })

  test('only a write that somebody waits for notifies', async () => {
    const [waited, other] = [
      await beginNew(subject.journal, world.intent(), termsOf('me')),
      await beginNew(subject.journal, world.intent(), termsOf('me')),
    ]
    const heard: string[] = []
    const { promise, resolve } = withResolvers()
    const stop = subject.journal.subscribe((id) => {
      heard.push(id)
      if (id === waited.id) resolve()
    })
    await subject.listening?.()
    await subject.journal.await([waited.id])
    await writeEvent(subject.journal, other, EXECUTED)
    await writeEvent(subject.journal, waited, EXECUTED)
    await promise
    expect(heard).toEqual([waited.id])
    stop()
  })

  test('wake-ups come again after the listening connection broke', async () => {
    const entry = await beginNew(subject.journal, world.intent(), termsOf('me'))
    const { promise, resolve } = withResolvers()
    const stop = subject.journal.subscribe((id) => {
      if (id === entry.id) resolve()
    })
    await subject.listening?.()
    // It waits until the connection is gone: what is listening after that is a new one.
    await subject.pool.query(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'",
    )
    await subject.journal.await([entry.id])
    await subject.listening?.()
    await writeEvent(subject.journal, entry, EXECUTED)
    await promise
    stop()
  })

  test('recording a success changes no index: every such update is heap-only', async () => {
    const pool = new Pool({ connectionString: subject.connectionString, max: 1 })
    const journal = postgresJournal(pool, { schema: 'heap_only', listen: false })
    for (let round = 0; round < 10; round++) {
      const batch = world.intents(50).map((intent) => ({ intent, terms: termsOf('me') }))
      const entries = (await journal.begin(batch)).map((each) => accepted(each).entry)
      await journal.write(entries.map((entry) => ({ ...holderOf(entry), change: transition(entry, EXECUTED) })))
    }
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ updates: number; heap_only: number }>(
      `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS heap_only
       FROM pg_stat_user_tables WHERE schemaname = 'heap_only' AND relname = 'entries'`,
    )
    await pool.end()
    expect(rows).toEqual([{ updates: 500, heap_only: 500 }])
  })

  test('a batch finds its rows by the primary key, also on a small table that nobody has analysed', async () => {
    await migrate(subject.pool, { schema: 'plans' })
    await subject.pool.query('ALTER TABLE plans.entries SET (autovacuum_enabled = false)')
    await subject.pool.query(`
      INSERT INTO plans.entries (id, fence, created_at, updated_at, due_at, generation, state, settlement, namespace,
        effect, key, reference, fingerprint, input)
      SELECT gen_random_uuid(), 0, now(), now(), now(), 1, 'pending', 'none', 'n', 'e', 'k', 'r', 'f', '{}'
      FROM generate_series(1, 3000)`)
    const { rows } = await subject.pool.query<{ id: string }>('SELECT id FROM plans.entries LIMIT 256')
    const ids = rows.map((row) => row.id)
    const entry = await beginNew(subject.journal, world.intent(), termsOf('me'))
    const writes = ids.map((id) => ({ ...holderOf(entry), id, change: transition(entry, EXECUTED) }))
    const sql = statementsFor('plans')
    for (const [{ text }, values] of [
      [sql.write, [...writeColumns(writes), 'channel']],
      [sql.succeed, [...successColumns(writes), 'channel']],
      [sql.read, [ids]],
      [sql.await, [ids]],
    ] as const) {
      const { rows: plan } = await subject.pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, [...values])
      const lines = plan.map((row) => row['QUERY PLAN']).join('\n')
      expect(lines).toContain('Index Scan using entries_pkey')
      expect(lines).not.toContain('Seq Scan')
    }
  })
})

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
