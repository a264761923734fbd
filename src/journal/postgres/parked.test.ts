import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { beginNew, readEntry, TURNED_AWAY, termsOf, World, writeEvent } from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { postgresJournal } from './index.js'
import { MIGRATIONS, migrate, migrateWith } from './migrations/index.js'
import { parkedEntries } from './sql/parked.js'

describe.each(postgresServers())('the listing of parked entries in $name', ({ url }) => {
  let subject: PostgresSubject
  const world = new World()
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
  })
  afterAll(() => subject.close())

  test('reads what is parked and no other entry, also on a table that nobody has analysed', async () => {
    const [namespace, effect] = [world.namespace, 'charge']
    await migrate(subject.pool, { schema: 'plans' })
    await subject.pool.query('ALTER TABLE plans.entries SET (autovacuum_enabled = false)')
    // Rejections have all that parked entries have, but for the state and its mark.
    await subject.pool.query(
      `INSERT INTO plans.entries (id, fence, created_at, updated_at, parked_at, first_sent_at, last_deadline_at, attempts,
         generation, state, settlement, namespace, effect, key, reference, fingerprint, input, reason)
       SELECT gen_random_uuid(), 1, now(), now(), CASE WHEN n % 100 = 0 THEN now() END, now(), now(), 1,
         1, CASE WHEN n % 100 = 0 THEN 'parked' ELSE 'failed' END, 'none', $1, $2, n, 'r', 'f', '{}', '{"code":"c"}'
       FROM generate_series(1, 3000) AS n`,
      [namespace, effect],
    )
    const { rows } = await subject.pool.query(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${parkedEntries('plans').text}`,
      [[namespace], [effect], 1, '00000000-0000-0000-0000-000000000000', 1_000],
    )
    const scan = nodesOf(rows[0]['QUERY PLAN'][0].Plan).filter(({ 'Relation Name': table }) => table === 'entries')
    expect(scan).toMatchObject([{ 'Index Name': 'entries_parked', 'Actual Rows': 30 }])
    expect(scan[0]?.['Index Cond']).toContain('ROW(parked_at, id) > ROW(')
    expect(scan[0]?.['Rows Removed by Filter'] ?? 0).toBe(0)
  })

  test('shows what was parked before there was one', async () => {
    const schema = 'older'
    await migrateWith(subject.pool, schema, MIGRATIONS.slice(0, 11))
    await subject.pool.query(
      `INSERT INTO older.entries (id, fence, created_at, updated_at, first_sent_at, last_deadline_at, attempts,
         generation, state, settlement, namespace, effect, key, reference, fingerprint, input, reason)
       SELECT gen_random_uuid(), 1, now(), '2026-01-01T00:00:00Z', now(), now(), 1, 1, state, 'none', $1, 'charge', state,
         'r', 'f', '{}', '{"code":"c","message":"m"}'
       FROM unnest('{parked,failed}'::text[]) AS state`,
      [world.namespace],
    )
    await migrateWith(subject.pool, schema, MIGRATIONS.slice(0, 15))
    const journal = postgresJournal(subject.pool, { schema, listen: false, migrate: false })
    const listed = await journal.parked.list([world.effect()], 10, null)
    expect(listed).toMatchObject([{ key: 'parked', state: 'parked', updatedAtMs: Date.UTC(2026, 0, 1) }])
    const held = await beginNew(journal, world.intent(), termsOf('me'))
    await writeEvent(journal, held, TURNED_AWAY)
    expect(await journal.parked.list([world.effect()], 10, listed[0] ?? null)).toEqual([
      await readEntry(journal, held.id),
    ])
  })
})

interface Plan {
  readonly Plans?: readonly Plan[]
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Rows Removed by Filter'?: number
}

/** Every node of a plan. */
function nodesOf(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}
