import { micros, NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/** What an audit reads of an entry at alias `e` and of its account `u`, in the order that `auditedEntryOf` reads. */
function entryColumns(whole: string): string {
  return `e.id, e.key, e.state, e.reference, e.generation, e.external_id,
  e.lease_until > ${NOW}, e.in_doubt_since IS NOT NULL, ${micros('updated_at')},
  CASE WHEN ${whole} THEN e.input END, CASE WHEN ${whole} THEN e.receipt END,
  u.undone, u.reserved > 0 OR u.whole = 'running', e.input IS NULL`
}

function accountOf(schema: string): string {
  return `LEFT JOIN ${schema}.undone AS u
  ON u.namespace = e.namespace AND u.effect = e.effect AND u.external_id = e.external_id`
}

/**
 * Listed operations beside their entries, by group.
 *
 * Parameters: $1 run id, $2 and $3 the group and the external id behind which the page begins (null: at the beginning),
 * $4 how many at most, $5 whether input and receipt are needed.
 * A returned row is an operation, and its entry where there is one.
 */
export const joinOperations: StatementFor = (schema) => ({
  name: 'counterfoil_audit_join_2',
  text: `
WITH page AS MATERIALIZED (
  SELECT o.* FROM ${schema}.audit_operations AS o
  WHERE o.run_id = $1::uuid
    AND (o.group_id, o.external_id) > (coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'), coalesce($3::text, ''))
  ORDER BY o.group_id, o.external_id
  LIMIT $4::bigint
)
SELECT o.group_id, o.external_id, o.owned, o.reference, o.key, ${micros('created_at', 'o')}, o.state,
  o.minor_units, o.currency, o.undone,
  ${entryColumns('$5::boolean')}
FROM page AS o
LEFT JOIN ${schema}.entries AS e ON e.id = o.group_id
${accountOf(schema)}
ORDER BY o.group_id, o.external_id`,
})

/**
 * The entries that a whole list of the window must show: sent inside of it, and come to rest, by either clock, before its
 * end and before the listing began.
 *
 * Parameters from $1: run id, skew in ms, time to settle in ms, all others the caller's.
 */
function covered(schema: string): string {
  return `${schema}.audit_runs AS r
JOIN ${schema}.entries AS e ON e.namespace = r.namespace AND e.effect = r.effect
  AND e.first_sent_at >= r.window_from + $2::double precision * interval '1 millisecond'
  AND e.first_sent_at < r.window_to
  AND e.last_deadline_at <= least(r.window_to, r.started_at)
    - ($2::double precision + $3::double precision) * interval '1 millisecond'`
}

/**
 * Entries that succeeded, must have been listed, and were not.
 *
 * Parameters: $1 run id, $2 skew in ms, $3 time to settle in ms, $4 the id behind which the page begins (null: at the
 * beginning), $5 how many at most.
 */
export const unlistedEntries: StatementFor = (schema) => ({
  name: 'counterfoil_audit_unlisted_2',
  text: `
SELECT ${entryColumns('true')}
FROM ${covered(schema)}
${accountOf(schema)}
WHERE r.id = $1::uuid AND e.state = 'succeeded'
  AND e.updated_at <= r.started_at - $3::double precision * interval '1 millisecond'
  AND e.id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
  AND NOT EXISTS (
    SELECT FROM ${schema}.audit_operations AS o
    WHERE o.run_id = r.id AND o.group_id = e.id AND o.external_id = coalesce(e.external_id, o.external_id)
  )
ORDER BY e.id LIMIT $5::bigint`,
})

/** Whether any entry succeeded that the list must show. Parameters: $1 … $3 as above. A row: yes. */
export const expectedEntries: StatementFor = (schema) => ({
  name: 'counterfoil_audit_expected_1',
  text: `
SELECT 1 FROM ${covered(schema)}
WHERE r.id = $1::uuid AND e.state = 'succeeded'
  AND e.updated_at <= r.started_at - $3::double precision * interval '1 millisecond'
LIMIT 1`,
})

/**
 * Entries in doubt of which the list, though it must, shows nothing. Parameters: as of the unlisted. A row is an id.
 */
export const absentEntries: StatementFor = (schema) => ({
  name: 'counterfoil_audit_absent_1',
  text: `
SELECT e.id
FROM ${covered(schema)}
WHERE r.id = $1::uuid AND e.state IN ('in_doubt', 'parked') AND e.in_doubt_since IS NOT NULL
  AND e.id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
  AND NOT EXISTS (SELECT FROM ${schema}.audit_operations AS o WHERE o.run_id = r.id AND o.group_id = e.id)
ORDER BY e.id LIMIT $5::bigint`,
})

/** The columns of a finding, in the order that `findingOf` reads. */
const FINDING_COLUMNS = `f.id, f.kind, f.code, f.message, f.external_id, f.reference, f.entry_id, f.key,
  f.kept_external_id, f.kept_seen_live, f.minor_units, f.currency, f.expected_minor_units, f.expected_currency,
  f.namespace, f.effect, f.status, ${micros('found_at', 'f')}, f.first_run, f.last_run, f.decided_by,
  ${micros('decided_at', 'f')}, f.note`

/**
 * Keeps findings of an audit that is under way and this auditor's. A known one keeps its status; one that was repaired
 * before this audit began, and is seen again, is open again.
 *
 * Parameters: $1 run id, $2 fence; arrays of one length $3 id, $4 kind, $5 code, $6 message, $7 external_id, $8 reference,
 * $9 entry_id, $10 key, $11 kept_external_id, $12 kept_seen_live, $13 minor_units, $14 currency, $15 expected_minor_units,
 * $16 expected_currency. A row for each that was kept.
 */
export const keepFindings: StatementFor = (schema) => ({
  name: 'counterfoil_audit_keep_1',
  text: `
WITH mine AS (
  SELECT r.* FROM ${schema}.audit_runs AS r WHERE r.id = $1::uuid AND r.fence = $2::bigint AND r.ended_at IS NULL FOR SHARE
), given AS (
  SELECT i.*, mine.id AS run_id, mine.started_at, mine.namespace, mine.effect
  FROM mine, unnest(
    $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[], $10::text[], $11::text[],
    $12::boolean[], $13::bigint[], $14::text[], $15::bigint[], $16::text[]
  ) AS i (
    id, kind, code, message, external_id, reference, entry_id, key, kept_external_id, kept_seen_live, minor_units,
    currency, expected_minor_units, expected_currency
  )
), sighted AS (
  INSERT INTO ${schema}.audit_sightings (run_id, finding_id) SELECT g.run_id, g.id FROM given AS g ON CONFLICT DO NOTHING
)
INSERT INTO ${schema}.audit_findings AS f (
  id, first_run, last_run, found_at, namespace, effect, status, kind, code, message, external_id, reference, entry_id, key,
  kept_external_id, kept_seen_live, minor_units, currency, expected_minor_units, expected_currency
)
SELECT g.id, g.run_id, g.run_id, ${NOW}, g.namespace, g.effect, 'open', g.kind, g.code, g.message, g.external_id,
  g.reference, g.entry_id, g.key, g.kept_external_id, g.kept_seen_live, g.minor_units, g.currency, g.expected_minor_units,
  g.expected_currency
FROM given AS g
ON CONFLICT (id) DO UPDATE SET
  last_run = excluded.last_run, code = excluded.code, message = excluded.message, entry_id = excluded.entry_id,
  kept_external_id = excluded.kept_external_id, kept_seen_live = excluded.kept_seen_live,
  minor_units = excluded.minor_units, currency = excluded.currency,
  expected_minor_units = excluded.expected_minor_units, expected_currency = excluded.expected_currency,
  status = CASE
    WHEN f.status = 'repaired' AND f.decided_at < (SELECT mine.started_at FROM mine) THEN 'open'
    ELSE f.status
  END
RETURNING f.id`,
})

/**
 * Findings that an audit saw, in the order of their ids.
 *
 * Parameters: $1 run id; arrays $2 kinds, $3 statuses; $4 the id behind which the page begins (null: at the beginning),
 * $5 how many at most. A returned row is a finding.
 */
export const findingsOfRun: StatementFor = (schema) => ({
  name: 'counterfoil_audit_findings_2',
  text: `
SELECT ${FINDING_COLUMNS}
FROM ${schema}.audit_sightings AS s JOIN ${schema}.audit_findings AS f ON f.id = s.finding_id
WHERE s.run_id = $1::uuid AND s.finding_id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
  AND f.kind = ANY($2::text[]) AND f.status = ANY($3::text[])
ORDER BY s.finding_id LIMIT $5::bigint`,
})

/**
 * Findings of some effects, in the order of their ids, whichever audits saw them: by the index audit_findings_listed, once
 * for each effect, kind and status, so that none is read that is not asked for.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; arrays $3 kinds, $4 statuses; $5 the id behind which the page
 * begins (null: at the beginning), $6 how many at most. A returned row is a finding.
 */
export const findingsOfEffects: StatementFor = (schema) => ({
  name: 'counterfoil_audit_findings_of_effects_1',
  text: `
SELECT ${FINDING_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS t (namespace, effect)
CROSS JOIN unnest($3::text[]) AS k (kind)
CROSS JOIN unnest($4::text[]) AS s (status)
CROSS JOIN LATERAL (
  SELECT a.* FROM ${schema}.audit_findings AS a
  WHERE a.namespace = t.namespace AND a.effect = t.effect AND a.kind = k.kind AND a.status = s.status
    AND a.id > coalesce($5::uuid, '00000000-0000-0000-0000-000000000000')
  ORDER BY a.id
  LIMIT $6::bigint
) AS f
ORDER BY f.id LIMIT $6::bigint`,
})

/**
 * Sums over the findings that audits saw. Parameters: $1 array of run ids. A row: run id, kind, status, currency, count,
 * minor units.
 */
export const totalsOfRuns: StatementFor = (schema) => ({
  name: 'counterfoil_audit_totals_2',
  text: `
SELECT s.run_id, f.kind, f.status, coalesce(f.currency, f.expected_currency), count(*),
  coalesce(sum(coalesce(f.minor_units, f.expected_minor_units)), 0)
FROM ${schema}.audit_sightings AS s JOIN ${schema}.audit_findings AS f ON f.id = s.finding_id
WHERE s.run_id = ANY($1::uuid[])
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
})

/** One finding. Parameters: $1 id. */
export const readFinding: StatementFor = (schema) => ({
  name: 'counterfoil_audit_finding_1',
  text: `SELECT ${FINDING_COLUMNS} FROM ${schema}.audit_findings AS f WHERE f.id = $1::uuid`,
})

/**
 * Notes a decision. Parameters: $1 id, $2 array of statuses from which it may be made, $3 status, $4 by whom, $5 note.
 * A returned row is the finding; none where it has another status.
 */
export const decideFinding: StatementFor = (schema) => ({
  name: 'counterfoil_audit_decide_1',
  text: `
UPDATE ${schema}.audit_findings AS f
SET status = $3::text, decided_by = $4::text, decided_at = ${NOW}, note = $5::text
WHERE f.id = $1::uuid AND f.status = ANY($2::text[])
RETURNING ${FINDING_COLUMNS}`,
})

/** Notes that the undoing which repairs a finding has ended. Parameters: $1 id, $2 status, $3 note. */
export const endOfRepair: StatementFor = (schema) => ({
  name: 'counterfoil_audit_repaired_1',
  text: `
UPDATE ${schema}.audit_findings AS f
SET status = $2::text, decided_by = coalesce(f.decided_by, 'policy'), decided_at = ${NOW},
  note = coalesce($3::text, f.note)
WHERE f.id = $1::uuid AND f.status <> 'repaired'`,
})
