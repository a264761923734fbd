import type { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type MigratedDatabase, migratedDatabase } from '../../../test/support/postgres.js'
import { RULES_12 } from './migrations/0012-parked.js'
import { beginEntries, beginEntry, enqueueEntries, enqueueEntry } from './sql/begin.js'
import { beginAndSucceed } from './sql/begin-and-write.js'
import { writeSuccess, writeSuccesses } from './sql/write.js'
import { quoteIdentifier, type Statement } from './statement.js'

const SCHEMA = quoteIdentifier('counterfoil')
const ID = '00000000-0000-8000-8000-00000000000'
const BATCH = '00000000-0000-8000-8000-0000000000ff'

/** What the statements are told of a new entry. */
interface Told {
  readonly namespace: string
  readonly effect: string
  readonly key: string
  readonly reference: string
  readonly fingerprint: string
  readonly generation: number
  readonly input: string | null
  readonly owner: string | null
  readonly leaseMs: number | null
  readonly timeoutMs: number | null
}

const GOOD: Told = {
  namespace: 'default',
  effect: 'charge',
  key: 'order-1',
  reference: 'c1234567',
  fingerprint: 'f',
  generation: 1,
  input: '{}',
  owner: 'me',
  leaseMs: 40_000,
  timeoutMs: 30_000,
}

/** What of it breaks a rule, by the rule; those of an entry that is only enqueued first. */
const BAD: readonly (readonly [rule: string, change: Partial<Told>])[] = [
  ['entries_names', { namespace: '' }],
  ['entries_names', { effect: '' }],
  ['entries_names', { key: '' }],
  ['entries_names', { key: 'k'.repeat(513) }],
  ['entries_reference', { reference: '' }],
  ['entries_reference', { reference: 'r'.repeat(37) }],
  ['entries_reference', { fingerprint: '' }],
  ['entries_counts', { generation: 0 }],
  ['entries_compact', { input: null }],
]
const BAD_WHEN_BEGUN: typeof BAD = [
  ...BAD,
  ['entries_lease_has_owner', { owner: null }],
  ['entries_lease_has_owner', { leaseMs: null }],
  ['entries_unsent_is_untried', { timeoutMs: null }],
]

interface Asked {
  readonly statement: Statement
  readonly values: (told: Told) => readonly unknown[]
}

const manyBegun = (t: Told): unknown[] => [
  ...[[`${ID}1`], [t.key], [t.reference], [t.input], [t.fingerprint], [null], [t.owner], [1]],
  ...[[t.namespace], [t.effect], [t.generation], [false], [t.leaseMs], [t.timeoutMs], BATCH, 40_000, null],
]

const MANY_THAT_BEGIN: Asked = { statement: beginEntries(SCHEMA), values: manyBegun }

const BEGINNING: Readonly<Record<string, Asked>> = {
  'many that begin': MANY_THAT_BEGIN,
  'one that begins': {
    statement: beginEntry(SCHEMA),
    values: (t) => [
      ...[`${ID}1`, t.key, t.reference, t.input, t.fingerprint, null, t.owner, t.namespace, t.effect, t.generation],
      ...[false, t.leaseMs, t.timeoutMs, BATCH, null],
    ],
  },
  'many that begin beside others that succeed': {
    statement: beginAndSucceed(SCHEMA),
    values: (t) => [...manyBegun(t), [], [], [], [], [], 'channel'],
  },
}

const ENQUEUEING: Readonly<Record<string, Asked>> = {
  'many that are enqueued': {
    statement: enqueueEntries(SCHEMA),
    values: (t) => [
      ...[[`${ID}1`], [t.namespace], [t.effect], [t.key], [t.generation], [t.reference], [t.input], [t.fingerprint]],
      ...[[null], [null], [false], [null], [null], [0], null],
    ],
  },
  'one that is enqueued': {
    statement: enqueueEntry(SCHEMA),
    values: (t) => [
      ...[`${ID}1`, t.namespace, t.effect, t.key, t.generation, t.reference, t.input, t.fingerprint],
      ...[null, null, false, null, null, 0, null],
    ],
  },
}

const SUCCEEDING: Readonly<Record<string, Asked>> = {
  many: { statement: writeSuccesses(SCHEMA), values: () => [[`${ID}1`], [1], ['me'], ['{}'], ['ch_1'], 'channel'] },
  one: { statement: writeSuccess(SCHEMA), values: () => [`${ID}1`, 1, 'me', '{}', 'ch_1', 'channel'] },
}

describe('statements that vouch for their rows', () => {
  let database: MigratedDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await migratedDatabase()
    pool = database.pool
  })
  afterAll(() => database.close())
  beforeEach(() => pool.query('BEGIN'))
  afterEach(() => pool.query('ROLLBACK'))

  async function ask({ statement, values }: Asked, told: Told = GOOD): Promise<void> {
    await pool.query(statement.text, [...values(told)])
  }

  /** How many entries there are, how many of them were vouched for, and how many of these break a rule. */
  async function counted(): Promise<unknown> {
    const rules = RULES_12.map(([, rule]) => `(${rule})`).join(' AND ')
    const { rows } = await pool.query(
      `SELECT count(*)::integer AS entries, count(vouched_at)::integer AS vouched,
         count(*) FILTER (WHERE (${rules}) IS FALSE)::integer AS broken FROM counterfoil.entries AS e`,
    )
    return rows[0]
  }

  test.each(Object.entries({ ...BEGINNING, ...ENQUEUEING }))(
    '%s are vouched for, and keep every rule',
    async (_, asked) => {
      await ask(asked)
      expect(await counted()).toEqual({ entries: 1, vouched: 1, broken: 0 })
    },
  )

  const refused = [
    ...Object.entries(BEGINNING).flatMap(([how, asked]) => BAD_WHEN_BEGUN.map((bad) => [how, ...bad, asked] as const)),
    ...Object.entries(ENQUEUEING).flatMap(([how, asked]) => BAD.map((bad) => [how, ...bad, asked] as const)),
  ]
  test.each(refused)('of %s, %s refuses %o', async (_, constraint, change, asked) => {
    await expect(ask(asked, { ...GOOD, ...change })).rejects.toMatchObject({ code: '23514', constraint })
  })

  test.each(Object.entries(SUCCEEDING))('%s that succeed are vouched for, and keep every rule', async (_, asked) => {
    await ask(MANY_THAT_BEGIN)
    await pool.query('UPDATE counterfoil.entries SET vouched_at = NULL')
    await ask(asked)
    const { rows } = await pool.query('SELECT state FROM counterfoil.entries')
    expect(rows).toEqual([{ state: 'succeeded' }])
    expect(await counted()).toEqual({ entries: 1, vouched: 1, broken: 0 })
  })

  test('what one statement vouched for is asked for every rule by the next, in the same transaction too', async () => {
    await ask(MANY_THAT_BEGIN)
    await expect(pool.query('UPDATE counterfoil.entries SET owner = NULL')).rejects.toMatchObject({
      code: '23514',
      constraint: 'entries_lease_has_owner',
    })
  })
})
