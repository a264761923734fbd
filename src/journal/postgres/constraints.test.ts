import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MigratedDatabase, migratedDatabase } from '../../../test/support/postgres.js'
import { ENTRY_RULES, RULES_12 } from './migrations/0012-parked.js'
import { USUAL_ROWS } from './migrations/0013-lean.js'

type Columns = Readonly<Record<string, string | number | boolean | null>>

const T0 = '2026-01-01T00:00:00Z'
const T1 = '2026-01-01T00:01:00Z'

const base: Columns = {
  id: '00000000-0000-8000-8000-000000000000',
  namespace: 'default',
  effect: 'charge',
  key: 'order-1',
  reference: 'c1234567',
  fingerprint: 'f',
  input: '{}',
  generation: 1,
  settlement: 'none',
  created_at: T0,
  updated_at: T0,
}
const sent: Columns = { attempts: 1, first_sent_at: T0, last_deadline_at: T1, fence: 1 }
const reason = '{"code":"c","message":"m"}'

/** A row of each state that the protocol knows. */
const good: Readonly<Record<string, Columns>> = {
  pending: { ...base, state: 'pending', fence: 0, due_at: T0 },
  executing: { ...base, ...sent, state: 'executing', owner: 'me', lease_until: T1 },
  'executing again': {
    ...base,
    ...sent,
    state: 'executing',
    owner: 'me',
    lease_until: T1,
    due_at: T1,
    in_doubt_since: T0,
  },
  in_doubt: { ...base, ...sent, state: 'in_doubt', in_doubt_since: T0, due_at: T1 },
  'in_doubt, held': {
    ...base,
    ...sent,
    state: 'in_doubt',
    in_doubt_since: T0,
    owner: 'me',
    lease_until: T1,
    due_at: T1,
  },
  succeeded: { ...base, ...sent, state: 'succeeded', receipt: '{}', external_id: 'ch_1' },
  'succeeded, settlement due': { ...base, ...sent, state: 'succeeded', settlement: 'due', due_at: T1 },
  failed: { ...base, ...sent, state: 'failed', reason },
  'failed, settlement dead': { ...base, ...sent, state: 'failed', reason, settlement: 'dead', settlement_attempts: 9 },
  'succeeded, compact': { ...base, ...sent, state: 'succeeded', input: null, external_id: 'ch_1' },
  'failed, compact, settled': { ...base, ...sent, state: 'failed', reason, settlement: 'done', input: null },
  'compensated, compact': { ...base, ...sent, state: 'compensated', external_id: 'ch_1', input: null },
  compensated: { ...base, ...sent, state: 'compensated', receipt: '{}', external_id: 'ch_1' },
  parked: { ...base, ...sent, state: 'parked', reason, in_doubt_since: T0, settlement: 'due', parked_at: T1 },
}

/** Which constraint refuses which change to a good row. */
const bad: readonly (readonly [constraint: string, state: string, change: Columns])[] = [
  ['entries_known_state', 'failed', { state: 'unheard_of' }],
  ['entries_known_settlement', 'pending', { settlement: 'maybe' }],
  ['entries_names', 'pending', { namespace: '' }],
  ['entries_names', 'pending', { effect: '' }],
  ['entries_names', 'pending', { key: '' }],
  ['entries_names', 'pending', { key: 'k'.repeat(513) }],
  ['entries_reference', 'pending', { reference: '' }],
  ['entries_reference', 'pending', { reference: 'r'.repeat(37) }],
  ['entries_reference', 'pending', { fingerprint: '' }],
  ['entries_counts', 'pending', { generation: 0 }],
  ['entries_counts', 'pending', { fence: -1 }],
  ['entries_counts', 'pending', { attempts: -1 }],
  ['entries_counts', 'pending', { find_failures: -1 }],
  ['entries_counts', 'pending', { settlement_attempts: -1 }],
  ['entries_compensated', 'compensated', { external_id: null }],
  ['entries_compensated', 'compensated', { external_id: null, state: 'compensating' }],
  ['entries_lease_has_owner', 'executing', { owner: null }],
  ['entries_lease_has_owner', 'pending', { owner: 'me' }],
  ['entries_lease_is_due', 'executing again', { due_at: T0 }],
  ['entries_lease_has_fence', 'executing', { fence: 0 }],
  ['entries_lease_only_while_acting', 'pending', { owner: 'me', lease_until: T1, due_at: T1, fence: 1 }],
  ['entries_lease_only_while_acting', 'succeeded', { owner: 'me', lease_until: T1 }],
  ['entries_lease_only_while_acting', 'failed', { owner: 'me', lease_until: T1 }],
  ['entries_lease_only_while_acting', 'parked', { owner: 'me', lease_until: T1 }],
  ['entries_doubt_ends', 'pending', { in_doubt_since: T0 }],
  ['entries_doubt_ends', 'succeeded', { in_doubt_since: T0 }],
  ['entries_doubt_ends', 'failed', { in_doubt_since: T0 }],
  ['entries_unsent_is_untried', 'pending', { first_sent_at: T0, last_deadline_at: T1 }],
  ['entries_unsent_is_untried', 'failed', { first_sent_at: null }],
  ['entries_unsent_is_untried', 'failed', { last_deadline_at: null }],
  ['entries_pending', 'pending', { due_at: null }],
  ['entries_executing', 'executing', { owner: null, lease_until: null }],
  ['entries_executing', 'executing', { first_sent_at: null, last_deadline_at: null }],
  ['entries_in_doubt', 'in_doubt', { in_doubt_since: null }],
  ['entries_in_doubt', 'in_doubt', { due_at: null }],
  ['entries_in_doubt', 'in_doubt', { first_sent_at: null, last_deadline_at: null }],
  ['entries_succeeded', 'succeeded', { reason }],
  ['entries_reason', 'failed', { reason: null }],
  ['entries_reason', 'parked', { reason: null }],
  ['entries_parked', 'parked', { due_at: T1 }],
  ['entries_parked_at', 'parked', { parked_at: null }],
  ['entries_settled', 'pending', { settlement: 'done' }],
  ['entries_settled', 'parked', { settlement: 'dead' }],
  ['entries_settlement_due', 'succeeded', { due_at: T1 }],
  ['entries_settlement_due', 'succeeded, settlement due', { due_at: null }],
  ['entries_settlement_due', 'failed', { settlement: 'due' }],
  ['entries_compact', 'pending', { input: null }],
  ['entries_compact', 'executing', { input: null }],
  ['entries_compact', 'executing again', { input: null }],
  ['entries_compact', 'in_doubt', { input: null }],
  ['entries_compact', 'in_doubt, held', { input: null }],
  ['entries_compact', 'parked', { input: null }],
  ['entries_compact', 'succeeded', { input: null }],
  ['entries_compact', 'succeeded, settlement due', { input: null }],
  ['entries_compact', 'failed, settlement dead', { input: null }],
  ['entries_compact', 'compensated, compact', { state: 'compensating' }],
  ['entries_compact', 'compensated, compact', { due_at: T1 }],
]

/** What a rule can tell apart, of each column that a rule speaks of; names and lengths are beside the states. */
const EVERY_VALUE: ReadonlyMap<string, string> = new Map([
  ['state', `'{pending,executing,in_doubt,succeeded,failed,parked,compensating,compensated,other}'::text[]`],
  ['settlement', `'{none,due,done,dead,other}'::text[]`],
  ['owner', `'{me,NULL}'::text[]`],
  ['external_id', `'{ch_1,NULL}'::text[]`],
  ['receipt', `'{1,NULL}'::json[]`],
  ['reason', `ARRAY['{"code":"c"}', '{"code":"compensation_rejected"}', NULL]::json[]`],
  ['input', `'{1,NULL}'::json[]`],
  ['fence', `'{0,1}'::bigint[]`],
  ['attempts', `'{0,1}'::integer[]`],
  ...['lease_until', 'due_at'].map((name) => [name, `'{2026-01-01,2026-01-02,NULL}'::timestamptz[]`] as const),
  ...['first_sent_at', 'last_deadline_at', 'in_doubt_since', 'parked_at'].map(
    (name) => [name, `'{2026-01-01,NULL}'::timestamptz[]`] as const,
  ),
  ['generation', `'{1}'::integer[]`],
  ['find_failures', `'{0}'::integer[]`],
  ['settlement_attempts', `'{0}'::integer[]`],
  ...['namespace', 'effect', 'key', 'reference', 'fingerprint'].map((name) => [name, `'{x}'::text[]`] as const),
])

describe('the constraints of the entries table', () => {
  let database: MigratedDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await migratedDatabase()
    pool = database.pool
  })
  afterAll(() => database.close())

  async function insertThenForget(row: Columns): Promise<void> {
    const names = Object.keys(row)
    const parameters = names.map((_, i) => `$${i + 1}`)
    await pool.query('BEGIN')
    try {
      await pool.query(
        `INSERT INTO counterfoil.entries (${names.join(', ')}) VALUES (${parameters.join(', ')})`,
        Object.values(row),
      )
    } finally {
      await pool.query('ROLLBACK')
    }
  }

  test.each(Object.entries(good))('a row that is %s is accepted', async (_state, row) => {
    await insertThenForget(row)
  })

  test.each(bad)('%s refuses a row that is %s with %o', async (constraint, state, change) => {
    await expect(insertThenForget({ ...good[state], ...change })).rejects.toMatchObject({ code: '23514', constraint })
  })

  test('each rule has a bad row here that it refuses', () => {
    expect([...ENTRY_RULES].sort()).toEqual([...new Set(bad.map(([rule]) => rule))].sort())
  })

  test('a usual row keeps every rule, whatever it holds', async () => {
    const names = [...EVERY_VALUE.keys()]
    const joined = names.map((name) => `unnest(${EVERY_VALUE.get(name)}) AS ${name}`).join(' CROSS JOIN ')
    const usual = USUAL_ROWS.map(([state, row]) => `(e.state = '${state}' AND ${row})`).join(' OR ')
    const rules = RULES_12.map(([, rule]) => `(${rule})`).join(' AND ')
    const { rows } = await pool.query<{ usual: number; broken: number }>(
      `SELECT count(*)::integer AS usual, count(*) FILTER (WHERE (${rules}) IS FALSE)::integer AS broken
       FROM (SELECT * FROM ${joined}) AS e WHERE ${usual}`,
    )
    expect(rows).toEqual([{ usual: expect.any(Number), broken: 0 }])
    expect(rows[0]?.usual).toBeGreaterThan(100)
  })

  // Each would be read anew for each statement: two fifths of a lone effect's cost.
  test('the table has one constraint, which is small', async () => {
    const { rows } = await pool.query<{ conname: string; bytes: number }>(
      `SELECT conname, length(conbin::text) AS bytes FROM pg_constraint
       WHERE contype = 'c' AND conrelid = 'counterfoil.entries'::regclass`,
    )
    expect(rows).toEqual([{ conname: 'entries_rules', bytes: expect.any(Number) }])
    expect(rows[0]?.bytes).toBeLessThan(1_000)
  })
})
