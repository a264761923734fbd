import { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDifference, lockstep, type MakeJournal } from '../src/testing/simulation/lockstep/index.js'
import { productionJournal } from '../src/testing/simulation/lockstep/replay.js'
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
}, 60_000)

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
  ['a claim that leaves the fence', 'fence = e.fence + 1', 'fence = e.fence'],
  ['a first send that moves with each attempt', /coalesce\(e\.first_sent_at, (\S+)\)/g, '$1'],
  ['a lost call that is taken for a pending one', "ELSE 'in_doubt' END", "ELSE 'executing' END"],
  ['a write that looks at no fence', 'e.fence = w.fence AND', ''],
  ['a settlement that is not counted', 'settlement_attempts = e.settlement_attempts + 1', 'settlement_attempts = 0'],
] as const

test.each(SLIPS)('%s in the SQL is told', async (_, text, slip) => {
  const slipped = <Config extends { readonly text: string }>(config: Config): Config => ({
    ...config,
    text: config.text.replaceAll(text, slip),
  })
  const makeJournal: MakeJournal = (time, clock) => {
    const connect = async (): ReturnType<typeof time.connect> => {
      const client = await time.connect()
      return { ...client, query: (config) => client.query(slipped(config)) }
    }
    return productionJournal({ query: (config) => time.query(slipped(config)), connect }, clock)
  }
  const { differences } = await lockstep({ firstSeed: 1, seeds: 24, pool, makeJournal, enough: 1 })
  expect(differences).toHaveLength(1)
})
