import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/support/postgres.js'
import { postgresServers } from '../../../test/support/servers.js'
import { migrate, postgresJournal } from './index.js'
import { statementsFor } from './statements.js'

const DAY_MS = 86_400_000
const RUN = '00000000-0000-8000-8000-000000000001'

describe.each(postgresServers())('audits in $name', ({ url }) => {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await testDatabase(url)
    pool = new Pool({ connectionString: database.connectionString, max: 1 })
    await migrate(pool, { schema: 'plans' })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  test('an operation without its key is found by its reference among the entries of its window, not among all', async () => {
    // A year of entries, and as many former generations as they may have.
    await pool.query(`
      INSERT INTO plans.entries (id, fence, created_at, updated_at, first_sent_at, last_deadline_at, attempts, generation,
        state, settlement, namespace, effect, key, reference, fingerprint, input)
      SELECT gen_random_uuid(), 1, t, t, t, t, 1, 1, 'succeeded', 'none', 'n', 'e', 'k' || i, 'r' || i, 'f', '{}'
      FROM (SELECT i, now() - (40000 - i) * interval '13 minutes' AS t FROM generate_series(1, 40000) AS i) AS planted`)
    await pool.query(`
      INSERT INTO plans.history (id, generation, fingerprint, ended_at, entry)
      SELECT e.id, 0, 'f', now(), json_build_object('reference', 'old-' || e.key)
      FROM plans.entries AS e WHERE e.key LIKE 'k%0'`)
    await pool.query(
      `
      INSERT INTO plans.audit_operations (run_id, group_id, created_at, owned, external_id, state, reference)
      SELECT $1::uuid, gen_random_uuid(), now(), true, reference, 'live', reference
      FROM unnest(ARRAY['r39990', 'old-k39990', 'unheard-of']) AS reference`,
      [RUN],
    )
    // Migration 6 says why older servers have no such index.
    const version = await pool.query<{ number: number }>("SELECT current_setting('server_version_num')::int AS number")
    const isIndexed = (version.rows[0]?.number ?? 0) >= 160_000
    // What autovacuum does by itself, sooner or later.
    if (isIndexed) await pool.query("SELECT brin_summarize_new_values('plans.entries_called')")
    await pool.query('ANALYZE plans.entries, plans.history, plans.audit_operations')

    const { text } = statementsFor('plans').resolveReferences
    const nowMs = Date.now()
    const values = [RUN, 'n', 'e', (nowMs - DAY_MS) * 1000, nowMs * 1000]
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE) ${text}`, values)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toContain('Index Scan using history_reference')
    expect(plan.includes('Bitmap Index Scan on entries_called')).toBe(isIndexed)
    expect(/Seq Scan on (entries|history)/.test(plan)).toBe(!isIndexed)

    const found = await pool.query<{ external_id: string; key: string }>(`
      SELECT o.external_id, e.key FROM plans.audit_operations AS o JOIN plans.entries AS e ON e.id = o.group_id
      ORDER BY o.external_id`)
    expect(found.rows).toEqual([
      { external_id: 'old-k39990', key: 'k39990' },
      { external_id: 'r39990', key: 'k39990' },
    ])
    if (!isIndexed) return
    // Of the year, two days and what shares their pages were read.
    const [, fromWindow, beside] =
      /Bitmap Heap Scan on entries .*actual time=\S+ rows=([\d.]+)[\s\S]*?Rows Removed by Index Recheck: (\d+)/.exec(
        plan,
      ) ?? []
    expect(Number(fromWindow) + Number(beside)).toBeLessThan(2_000)
  })

  test('a list is forgotten whole, in parts, and no other list with it', async () => {
    const journal = postgresJournal(pool, { schema: 'plans', listen: false })
    const { audits } = journal
    if (audits === null) throw new Error('This journal has audits.')
    const run = await audits.start({
      ...{ namespace: 'n', effect: 'e', fromMs: 0, toMs: null, sinceMs: null, request: '{}', dueAtMs: null, fence: 1 },
      resumeWithinMs: 0,
    })
    const plant = (id: string, count: number) =>
      pool.query(
        `INSERT INTO plans.audit_operations (run_id, group_id, created_at, owned, external_id, state)
         SELECT $1::uuid, md5((i / 3)::text)::uuid, now(), true, 'x' || i, 'live' FROM generate_series(1, $2::integer) AS i`,
        [id, count],
      )
    const left = async (id: string): Promise<number> =>
      (await pool.query('SELECT FROM plans.audit_operations WHERE run_id = $1', [id])).rowCount ?? 0
    const { text } = statementsFor('plans').clearOperations
    await plant(run.id, 40)
    await plant(RUN, 10)
    const others = await left(RUN)
    const part = await pool.query({ text, values: [run.id, null, null, 15], rowMode: 'array' })
    expect(await left(run.id)).toBe(25)
    const next = await pool.query({ text, values: [run.id, ...(part.rows[0] as string[]), 25], rowMode: 'array' })
    expect([next.rowCount, await left(run.id)]).toEqual([1, 0])
    await plant(run.id, 33_000)
    await audits.clear(run)
    expect([await left(run.id), await left(RUN)]).toEqual([0, others])
    await journal.close()
  })

  test('a page of findings or of audits reads what it shows, and not all that there ever were', async () => {
    await pool.query(`
      INSERT INTO plans.audit_findings (id, first_run, last_run, found_at, namespace, effect, kind, code, message, status,
        external_id, decided_by)
      SELECT gen_random_uuid(), '${RUN}', '${RUN}', now(), 'n', 'e', CASE WHEN i % 1000 = 0 THEN 'duplicate' ELSE 'orphan' END,
        'c', 'm', CASE WHEN i % 500 = 0 THEN 'open' ELSE 'repaired' END, 'op' || i, 'ada'
      FROM generate_series(1, 20000) AS i`)
    await pool.query(`
      INSERT INTO plans.audit_runs (id, fence, started_at, window_from, window_to, ended_at, namespace, effect, request, state,
        counts)
      SELECT gen_random_uuid(), i, t, t, t, t, 'n', 'e', '{}', 'complete', '{}'
      FROM (SELECT i, now() - i * interval '1 minute' AS t FROM generate_series(1, 20000) AS i) AS planted`)
    await pool.query('ANALYZE plans.audit_findings, plans.audit_runs')
    const { findingsOfEffects, readRuns } = statementsFor('plans')
    const planOf = async (text: string, values: unknown[]): Promise<string> => {
      const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE) ${text}`, values)
      return rows.map((row) => row['QUERY PLAN']).join('\n')
    }
    const kinds = ['duplicate', 'missing']
    const findings = await planOf(findingsOfEffects.text, [['n'], ['e'], kinds, ['open', 'refused'], null, 10])
    expect(findings).toContain('Index Scan using audit_findings_listed')
    expect(findings).not.toContain('Rows Removed by Filter')
    const halfWay = (Date.now() - 10_000 * 60_000) * 1000
    const runs = await planOf(readRuns.text, [['n'], ['e'], halfWay, null, 10])
    expect(runs).toContain('Index Scan using audit_runs_latest')
    expect(/Rows Removed by Filter: (\d+)/.exec(runs)?.[1] ?? '0').toMatch(/^[01]$/)
  })
})
