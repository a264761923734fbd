import { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Entry, Seen } from '../src/protocol/index.js'
import { describeDifference, lockstep, type MakeJournal } from '../src/testing/simulation/lockstep/index.js'
import { productionJournal } from '../src/testing/simulation/lockstep/replay.js'
import { choseAmongEquals, hasTie } from '../src/testing/simulation/lockstep/ties.js'
import { type TestDatabase, testDatabase } from './support/postgres.js'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 20 })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

test('seeded histories come out the same on PostgreSQL as on the memory journal', async () => {
  const { histories, operations, differences } = await lockstep({ firstSeed: 1, seeds: 48, pool })
  expect(differences.map(describeDifference)).toEqual([])
  expect(histories).toBe(48)
  expect(operations).toBeGreaterThan(2_000)
}, 180_000)

test('what comes in one millisecond under one serializeBy key has no order that both journals must keep', async () => {
  const entry = { id: 'a', namespace: 'n', serializeKey: 'k', state: 'pending', createdAtMs: 5 } as Entry
  const rowsWith = (other: Partial<Entry>): ReadonlyMap<string, Entry> =>
    new Map([entry, { ...entry, id: 'b', ...other }].map((each) => [each.id, each]))
  expect(hasTie(rowsWith({}))).toBe(true)
  for (const other of [
    { createdAtMs: 6 },
    { serializeKey: 'l' },
    { serializeKey: null },
    { state: 'failed' as const },
  ]) {
    expect(hasTie(rowsWith(other))).toBe(false)
  }
})

test('of entries that are due at one moment both journals may take others, in the same way, and nothing else', () => {
  const waiting = { fence: 1, dueAtMs: 5, owner: null, leaseUntilMs: null } as Partial<Entry> as Entry
  const rows = new Map(['a', 'b', 'c'].map((id) => [id, { ...waiting, id, dueAtMs: id === 'c' ? 6 : 5 }]))
  const taken = (id: string, other: Partial<Entry> = {}): Seen => {
    const entry = { ...waiting, id, fence: 2, owner: 'o', leaseUntilMs: 9, dueAtMs: 9, ...other }
    return { entry, nowMs: 7 }
  }
  expect(choseAmongEquals([taken('a')], [taken('b')], rows)).toBe(true)
  for (const postgres of [
    [taken('a')],
    [taken('a', { fence: 1 })],
    [taken('c')],
    [taken('b', { fence: 1 })],
    [taken('b', { leaseUntilMs: 10 })],
    [taken('a'), taken('b')],
    [],
  ]) {
    expect(choseAmongEquals([taken('a')], postgres, rows)).toBe(false)
  }
})

type AnyJournal = ReturnType<MakeJournal>

/** What the first histories say when PostgreSQL's journal is changed in some of its methods. */
async function toldOf(change: (journal: AnyJournal, nowMs: () => number) => Partial<AnyJournal>): Promise<string[]> {
  const makeJournal: MakeJournal = (time, clock) => {
    const journal = productionJournal(time, clock)
    const changed = change(journal, () => clock.wallMs())
    const method = (name: string | symbol): unknown => {
      const own: unknown = Reflect.get(journal, name, journal)
      return typeof own === 'function' ? own.bind(journal) : own
    }
    return new Proxy(journal, { get: (_, name) => Reflect.get(changed, name) ?? method(name) })
  }
  const { differences } = await lockstep({ firstSeed: 1, seeds: 4, pool, makeJournal })
  return differences.map(describeDifference)
}

test('an answer that is another one is told, with the seed, the operation and both answers', async () => {
  const [told] = await toldOf((journal) => ({
    write: async (writes) => {
      await journal.write(writes)
      return writes.map(() => ({ applied: false }))
    },
  }))
  expect(told).toMatch(/^Seed 1, at operation \d+: write\(.* at 1\d+ ms\n/)
  expect(told).toMatch(/\n {2}memory {6}\[{"applied":true,"nowMs":1\d+}\]\n {2}PostgreSQL {2}\[{"applied":false}\]$/)
})

test('a write that is answered and not made is told by its row', async () => {
  const [told] = await toldOf((_, nowMs) => ({
    write: async (writes) => writes.map(() => ({ applied: true, nowMs: nowMs() })),
  }))
  expect(told).toMatch(/^Seed 1, at operation \d+: a row after write\(/)
})

test('a lease that is a millisecond longer is told', async () => {
  const told = await toldOf((journal) => ({
    claimDue: (effects, limit) =>
      journal.claimDue(
        effects.map((terms) => ({ ...terms, leaseMs: terms.leaseMs + 1 })),
        limit,
      ),
  }))
  expect(told.join('\n')).toMatch(/at operation \d+: claimDue\(/)
})

test('a transaction that is rolled back instead of committed is told', async () => {
  const told = await toldOf((journal) => ({
    settle: async (id, handler) => {
      const undone = new Error('undone')
      const settled = await journal
        .settle(id, async (tx, entry) => {
          await handler(tx, entry)
          throw undone
        })
        .catch((error: unknown) => {
          if (error !== undone) throw error
          return null
        })
      return settled ?? { ran: true }
    },
  }))
  expect(told.join('\n')).toMatch(/: a row after transaction \d+ is committed/)
})

/** A slip of the pen in production SQL, and the operation that tells of it. */
const SLIPS = [
  // The first one has to have a fence: the row's own rule would tell of it.
  ['a claim that leaves the fence', 'fence = e.fence + 1', 'fence = greatest(e.fence, 1)'],
  ['a first send that moves with each attempt', /coalesce\(e\.first_sent_at, (\S+)\)/g, '$1'],
  ['a lost call that is taken for a pending one', "ELSE 'in_doubt' END", "ELSE 'executing' END"],
  ['a settlement that is not counted', 'settlement_attempts = e.settlement_attempts + 1', 'settlement_attempts = 0'],
  ['an undoing of all that is taken for none', 'whole = $6::text', "whole = coalesce('none', $6::text)"],
] as const

test.each(SLIPS)('%s in the SQL is told', async (_, text, slip) => {
  const slipped = <Query>(query: Query): Query => {
    if (typeof query === 'string') return query.replaceAll(text, slip) as Query
    const config = query as { readonly text: string }
    return { ...config, text: config.text.replaceAll(text, slip) } as Query
  }
  const makeJournal: MakeJournal = (time, clock) => {
    const connect = async (): ReturnType<typeof time.connect> => {
      const client = await time.connect()
      // A transaction's own queries come as `pg` takes them: text and values.
      const query = client.query as (...args: unknown[]) => ReturnType<typeof client.query>
      return { ...client, query: (first: unknown, ...rest: unknown[]) => query(slipped(first), ...rest) }
    }
    return productionJournal({ query: (config) => time.query(slipped(config)), connect }, clock)
  }
  const { differences } = await lockstep({ firstSeed: 1, seeds: 48, pool, makeJournal, enough: 1 })
  expect(differences).toHaveLength(1)
  expect(differences[0]?.postgres).not.toMatch(/throws/)
})
