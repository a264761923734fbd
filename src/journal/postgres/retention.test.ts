import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { type Entry, ProtocolViolation, type RetentionTerms, transition } from '../../protocol/index.js'
import { accepted, EXECUTED, holderOf, readEntry, termsOf, World } from '../conformance/subject.js'
import { inTransaction, type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { postgresJournal } from './index.js'
import { statementsFor } from './statements.js'

type Journal = PostgresSubject['journal']

/** Enough for several steps. */
const MANY = 3_000

describe.each(postgresServers())('retention in $name', ({ url }) => {
  let subject: PostgresSubject
  const world = new World()
  beforeAll(async () => {
    subject = await postgresSubject(url)
  })
  afterAll(() => subject.close())

  const termsFor = (ages: Partial<RetentionTerms>): RetentionTerms => ({
    ...{ namespace: world.namespace, effects: ['charge'], compactAfterMs: null, purgeAfterMs: null },
    ...ages,
  })

  async function succeeded(count: number, journal: Journal = subject.journal): Promise<Entry[]> {
    const batch = world.intents(count).map((intent) => ({ intent, terms: termsOf('me') }))
    const entries = (await journal.begin(batch)).map((each) => accepted(each).entry)
    await journal.write(entries.map((entry) => ({ ...holderOf(entry), change: transition(entry, EXECUTED) })))
    return entries
  }

  async function ripen(): Promise<void> {
    await subject.elapse(5)
  }

  test('to become compact changes no index: every such update is heap-only', async () => {
    const pool = new Pool({ connectionString: subject.connectionString, max: 1 })
    const journal = postgresJournal(pool, { schema: 'heap_only', listen: false })
    // Room for all three versions, should somebody's snapshot keep the old ones from being cleared away.
    await journal.read([])
    await pool.query('ALTER TABLE heap_only.entries SET (fillfactor = 20)')
    for (let round = 0; round < 5; round++) await succeeded(50, journal)
    await ripen()
    const place = (await journal.retention.begin(0)) ?? ''
    expect((await journal.retention.step(termsFor({ compactAfterMs: 1 }), place)).compacted).toBe(250)
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ updates: number; heap_only: number }>(
      `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS heap_only
       FROM pg_stat_user_tables WHERE schemaname = 'heap_only' AND relname = 'entries'`,
    )
    await pool.end()
    expect(rows).toEqual([{ updates: 500, heap_only: 500 }])
  })

  test('a walk comes to every entry, wherever it begins, and does not go around twice', async () => {
    const pool = new Pool({ connectionString: subject.connectionString, max: 2 })
    const journal = postgresJournal(pool, { schema: `walk " and '`, listen: false })
    for (const share of [0, 0.37, 0.999]) {
      const before = await succeeded(MANY, journal)
      await ripen()
      let [compacted, steps] = [0, 0]
      for (let place = await journal.retention.begin(share); place !== null; steps++) {
        const step = await journal.retention.step(termsFor({ compactAfterMs: 1 }), place)
        compacted += step.compacted
        place = step.next
      }
      expect({ share, compacted }).toEqual({ share, compacted: MANY })
      expect(steps).toBeGreaterThan(2)
      expect((await readEntry(journal, before[MANY - 1]?.id ?? '')).isCompact).toBe(true)
    }
    await pool.end()
  })

  test('a journal without any entry is walked over at once', async () => {
    const pool = new Pool({ connectionString: subject.connectionString, max: 1 })
    expect(await postgresJournal(pool, { schema: 'empty', listen: false }).retention.begin(0.5)).toBeNull()
    await pool.end()
  })

  test('what is no place in the journal is refused', async () => {
    for (const place of ['', '1', '9/1/9', '0/0/9', 'a/b/c']) {
      await expect(subject.journal.retention.step(termsFor({ purgeAfterMs: 1 }), place)).rejects.toThrow(
        ProtocolViolation,
      )
    }
  })

  test('a step reads its range of the table, finds the rows that it writes by their places, and reads nothing whole', async () => {
    await succeeded(MANY)
    await subject.pool.query('ANALYZE counterfoil.entries')
    const { age } = statementsFor('counterfoil')
    const values = ['(0,0)', '(64,0)', world.namespace, ['charge'], 1, 3_600_000]
    const { rows } = await subject.pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${age.text}`, values)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toContain('Tid Range Scan on entries e')
    expect(plan.match(/Tid Scan on entries e/g)).toHaveLength(2)
    expect(plan).not.toContain('Seq Scan on entries e')
  })

  test('a row that somebody has is not waited for, and its neighbours age', async () => {
    const [held, other] = await succeeded(2)
    await ripen()
    await inTransaction(subject.pool, async (client) => {
      await client.query('SELECT FROM counterfoil.entries WHERE id = $1 FOR UPDATE', [held?.id])
      await around(subject.journal, termsFor({ compactAfterMs: 1 }))
    })
    expect((await readEntry(subject.journal, held?.id ?? '')).isCompact).toBe(false)
    expect((await readEntry(subject.journal, other?.id ?? '')).isCompact).toBe(true)
  })

  test('a duplicate that comes while its entry becomes compact waits, and finds it', async () => {
    const intent = world.intent()
    const [entry] = await begun(subject.journal, intent)
    await ripen()
    const begin = await inTransaction(subject.pool, async (client) => {
      await client.query(aging(), ageValues(world.namespace, 1, null))
      const coming = subject.journal.begin([{ intent, terms: termsOf('late') }])
      await untilSomebodyWaits(subject.pool)
      return { coming }
    })
    const again = accepted((await begin.coming)[0])
    expect(again.created).toBe(false)
    expect(again.entry).toMatchObject({ id: entry?.id, isCompact: true, state: 'succeeded' })
  })

  test('a duplicate that comes while its entry is purged waits, and is a new effect from then on', async () => {
    const intent = world.intent()
    await begun(subject.journal, intent)
    await ripen()
    const begin = await inTransaction(subject.pool, async (client) => {
      await client.query(aging(), ageValues(world.namespace, null, 1))
      const coming = subject.journal.begin([{ intent, terms: termsOf('late') }])
      await untilSomebodyWaits(subject.pool)
      return { coming }
    })
    expect(accepted((await begin.coming)[0])).toMatchObject({ created: true, entry: { state: 'executing' } })
  })

  test('a duplicate that comes while a walk that fails was at its entry finds it whole', async () => {
    const intent = world.intent()
    const [entry] = await begun(subject.journal, intent)
    await ripen()
    const failing = inTransaction(subject.pool, async (client) => {
      await client.query(aging(), ageValues(world.namespace, null, 1))
      throw new Error('the walker dies')
    })
    await expect(failing).rejects.toThrow('the walker dies')
    const again = accepted((await subject.journal.begin([{ intent, terms: termsOf('late') }]))[0])
    expect(again).toMatchObject({ created: false, entry: { id: entry?.id, isCompact: false } })
  })

  test('former generations keep what they came to, and let go what they were asked and answered', async () => {
    const first = world.intent({ input: { secret: 'one' } })
    const begunFirst = accepted((await subject.journal.begin([{ intent: first, terms: termsOf('me') }]))[0]).entry
    const outcome = { kind: 'rejected', reason: { code: 'declined', message: 'No.' }, settlesDoubt: true } as const
    const change = transition(begunFirst, { ...EXECUTED, outcome })
    await subject.journal.write([{ ...holderOf(begunFirst), change }])
    const second = world.intent({ key: first.key, generation: 2, input: { secret: 'two' } })
    const renewed = (await subject.journal.renew({ intent: second, terms: termsOf('me') }))?.entry
    if (renewed === undefined) throw new Error('It was not renewed.')
    await subject.journal.write([{ ...holderOf(renewed), change: transition(renewed, EXECUTED) }])
    await ripen()
    await around(subject.journal, termsFor({ compactAfterMs: 1 }))
    const { rows } = await subject.pool.query('SELECT entry FROM counterfoil.history WHERE id = $1', [first.id])
    expect(rows[0]?.entry).toMatchObject({ input: null, receipt: null, state: 'failed', reference: first.reference })
    expect(JSON.stringify(rows)).not.toContain('secret')
  })

  async function begun(journal: Journal, intent: ReturnType<World['intent']>): Promise<Entry[]> {
    const { entry } = accepted((await journal.begin([{ intent, terms: termsOf('me') }]))[0])
    await journal.write([{ ...holderOf(entry), change: transition(entry, EXECUTED) }])
    return [entry]
  }
})

async function around({ retention }: Journal, terms: RetentionTerms): Promise<void> {
  let place = await retention.begin(0)
  while (place !== null) place = (await retention.step(terms, place)).next
}

function aging(): string {
  return statementsFor('counterfoil').age.text
}

/** For the whole table. */
function ageValues(namespace: string, compactAfterMs: number | null, purgeAfterMs: number | null): unknown[] {
  return ['(0,0)', '(1000000,0)', namespace, ['charge'], compactAfterMs, purgeAfterMs]
}

async function untilSomebodyWaits(pool: Pool): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    if ((rowCount ?? 0) > 0) return
  }
}
