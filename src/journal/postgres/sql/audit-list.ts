import { micros, NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/** A time that travelled as microseconds since the epoch. */
function timeOf(parameter: string): string {
  return `'epoch'::timestamptz + ${parameter} * interval '1 microsecond'`
}

/** The columns of an audit, in the order that `runOf` reads. */
const RUN_COLUMNS = `r.id, r.fence, ${micros('started_at', 'r')}, ${micros('window_from', 'r')}, ${micros('window_to', 'r')},
  ${micros('ended_at', 'r')}, ${micros('due_at', 'r')}, r.namespace, r.effect, r.request, r.state, r.list_cursor, r.counts, r.note`

/**
 * Marks audits of an effect that were left under way incomplete, except the one that is to be resumed.
 *
 * Parameters: $1 namespace, $2 effect, $3 request, $4 resumable if younger than this in ms, $5 fence, $6 note (JSON).
 * A returned row is the audit that goes on under the new fence.
 *
 * A list without a cursor cannot be gone on with: such an audit is left, and begun anew.
 */
export const resumeRun: StatementFor = (schema) => ({
  name: 'counterfoil_audit_resume_1',
  text: `
WITH left_over AS MATERIALIZED (
  SELECT r.id, r.request = $3::text
    AND NOT EXISTS (
      SELECT FROM ${schema}.audit_runs AS later
      WHERE later.namespace = r.namespace AND later.effect = r.effect AND later.started_at > r.started_at
    )
    AND r.started_at > ${NOW} - $4::double precision * interval '1 millisecond'
    AND (r.state <> 'listing' OR r.list_cursor IS NOT NULL) AS goes_on
  FROM ${schema}.audit_runs AS r
  WHERE r.namespace = $1::text AND r.effect = $2::text AND r.ended_at IS NULL
  FOR UPDATE
), ended AS (
  UPDATE ${schema}.audit_runs AS r SET state = 'incomplete', ended_at = ${NOW}, note = $6::json
  FROM left_over AS l WHERE r.id = l.id AND NOT l.goes_on
)
UPDATE ${schema}.audit_runs AS r SET fence = $5::bigint
FROM left_over AS l WHERE r.id = l.id AND l.goes_on
RETURNING ${RUN_COLUMNS}`,
})

/**
 * Begins an audit.
 *
 * Parameters: $1 id, $2 fence, $3 from in µs (null: $5 before the end), $4 to in µs (null: now), $5 length in ms, $6 due
 * in µs, $7 namespace, $8 effect, $9 request, $10 counts (JSON).
 */
export const startRun: StatementFor = (schema) => ({
  name: 'counterfoil_audit_start_1',
  text: `
INSERT INTO ${schema}.audit_runs AS r (
  id, fence, started_at, window_from, window_to, due_at, namespace, effect, request, state, counts
)
SELECT $1::uuid, $2::bigint, ${NOW},
  coalesce(${timeOf('$3::double precision')}, w.ends - $5::double precision * interval '1 millisecond'),
  w.ends, ${timeOf('$6::double precision')}, $7::text, $8::text, $9::text, 'listing', $10::json
FROM (SELECT coalesce(${timeOf('$4::double precision')}, ${NOW}) AS ends) AS w
RETURNING ${RUN_COLUMNS}`,
})

/**
 * Notes how far an audit is, if it is still under way and this auditor's.
 * Parameters: $1 id, $2 fence, $3 state, $4 counts (JSON), $5 note (JSON).
 */
export const advanceRun: StatementFor = (schema) => ({
  name: 'counterfoil_audit_advance_1',
  text: `
UPDATE ${schema}.audit_runs AS r SET state = $3::text, counts = $4::json, note = $5::json,
  ended_at = CASE WHEN $3::text IN ('complete', 'incomplete') THEN ${NOW} END
WHERE r.id = $1::uuid AND r.fence = $2::bigint AND r.ended_at IS NULL
RETURNING ${RUN_COLUMNS}`,
})

/** One audit. Parameters: $1 id. */
export const readRun: StatementFor = (schema) => ({
  name: 'counterfoil_audit_read_run_1',
  text: `SELECT ${RUN_COLUMNS} FROM ${schema}.audit_runs AS r WHERE r.id = $1::uuid`,
})

/**
 * The audits of some effects, the latest first.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; $3 behind this started_at, in microseconds since the epoch, and
 * $4 behind this id where that is the same (both null: from the latest); $5 how many at most. A returned row is an audit.
 */
export const readRuns: StatementFor = (schema) => ({
  name: 'counterfoil_audit_read_runs_2',
  text: `
SELECT ${RUN_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS t (namespace, effect)
CROSS JOIN LATERAL (
  SELECT a.* FROM ${schema}.audit_runs AS a
  WHERE a.namespace = t.namespace AND a.effect = t.effect
    AND (a.started_at, a.id) < (
      coalesce(${timeOf('$3::bigint')}, 'infinity'::timestamptz),
      coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    )
  ORDER BY a.started_at DESC, a.id DESC
  LIMIT $5::bigint
) AS r
ORDER BY r.started_at DESC, r.id DESC
LIMIT $5::bigint`,
})

/**
 * Adds operations to the list of an audit that is under way and this auditor's, and notes counts and the cursor, from
 * which it can be gone on with should this auditor die. If any of them was there before, it cannot: whether a page was
 * shown twice in the place of another is for this auditor to judge, and dies with it.
 *
 * Parameters: $1 run id, $2 fence, $3 cursor (null: none); arrays of one length $4 group_id, $5 external_id, $6 created
 * (µs), $7 state, $8 minor_units, $9 undone, $10 currency, $11 reference, $12 key, $13 owned; and $14 counts (JSON).
 * The first row tells whether the audit is this auditor's; each other one, the place (from 1) of an operation that was
 * there before. Of two in one batch, both are new here.
 */
export const stageOperations: StatementFor = (schema) => ({
  name: 'counterfoil_audit_stage_2',
  text: `
WITH mine AS MATERIALIZED (
  SELECT r.id FROM ${schema}.audit_runs AS r
  WHERE r.id = $1::uuid AND r.fence = $2::bigint AND r.state = 'listing'
  FOR UPDATE
), given AS (
  SELECT * FROM unnest(
    $4::uuid[], $5::text[], $6::double precision[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[],
    $12::text[], $13::boolean[]
  ) WITH ORDINALITY AS i (group_id, external_id, created_us, state, minor_units, undone, currency, reference, key, owned, place)
), added AS (
  INSERT INTO ${schema}.audit_operations AS o (
    run_id, group_id, external_id, created_at, state, minor_units, undone, currency, reference, key, owned
  )
  SELECT mine.id, i.group_id, i.external_id, ${timeOf('i.created_us')}, i.state, i.minor_units, i.undone, i.currency,
    i.reference, i.key, i.owned
  FROM given AS i, mine
  ON CONFLICT DO NOTHING
  RETURNING o.group_id, o.external_id
), noted AS (
  UPDATE ${schema}.audit_runs AS r SET counts = $14::json,
    list_cursor = CASE WHEN (SELECT count(*) FROM added) = (SELECT count(*) FROM given) THEN $3::text END
  FROM mine WHERE r.id = mine.id AND r.fence = $2::bigint AND r.state = 'listing'
  RETURNING r.id
)
SELECT 'mine', count(*) FROM noted
UNION ALL
SELECT 'repeated', i.place FROM given AS i
WHERE NOT EXISTS (SELECT FROM added AS a WHERE a.group_id = i.group_id AND a.external_id = i.external_id)`,
})

/**
 * How far beyond its window an audit looks for the entry of an operation that names none: the clocks are not the same,
 * and what a call caused may come about after its deadline.
 */
const CALLED_AROUND = "interval '1 day'"

/**
 * Operations of ours whose key names no entry, and that have a reference: by their reference instead, of the entry as it
 * is or of a former generation. It reads the entries that had a call under way in the window of the audit, and only
 * where there are such operations.
 *
 * Parameters: $1 run id, $2 namespace, $3 effect, $4 from and $5 to in µs: the window of the audit, as values, so that
 * the planner knows how little of the journal that is.
 */
export const resolveReferences: StatementFor = (schema) => ({
  name: 'counterfoil_audit_resolve_2',
  text: `
WITH lost AS MATERIALIZED (
  SELECT o.group_id, o.external_id, o.reference
  FROM ${schema}.audit_operations AS o
  WHERE o.run_id = $1::uuid AND o.owned
    AND NOT EXISTS (SELECT FROM ${schema}.entries AS e WHERE e.id = o.group_id)
), found AS (
  SELECT l.group_id, l.external_id, e.id FROM lost AS l
  JOIN ${schema}.entries AS e ON e.reference = l.reference
  WHERE e.namespace = $2::text AND e.effect = $3::text AND EXISTS (SELECT FROM lost)
    AND e.first_sent_at <= ${timeOf('$5::double precision')} + ${CALLED_AROUND}
    AND e.last_deadline_at >= ${timeOf('$4::double precision')} - ${CALLED_AROUND}
  UNION
  SELECT l.group_id, l.external_id, h.id FROM lost AS l
  JOIN ${schema}.history AS h ON h.entry->>'reference' = l.reference
)
UPDATE ${schema}.audit_operations AS o SET group_id = f.id
FROM found AS f
WHERE o.run_id = $1::uuid AND o.group_id = f.group_id AND o.external_id = f.external_id`,
})

/**
 * Of the latest audits of an effect, those that have ended and whose list was not forgotten: their process was killed.
 * Parameters: $1 namespace, $2 effect, $3 how many of the latest. A row is an id.
 */
export const leftLists: StatementFor = (schema) => ({
  name: 'counterfoil_audit_left_1',
  text: `
SELECT r.id FROM (
  SELECT r.id, r.ended_at FROM ${schema}.audit_runs AS r
  WHERE r.namespace = $1::text AND r.effect = $2::text ORDER BY r.started_at DESC LIMIT $3::bigint
) AS r
WHERE r.ended_at IS NOT NULL AND EXISTS (SELECT FROM ${schema}.audit_operations AS o WHERE o.run_id = r.id)`,
})

/**
 * Forgets a part of the list of an audit. By the range that it is, not by a join with it: nothing is known yet of a list
 * that was just written, and a plan for a few rows would read all of it for each.
 *
 * Parameters: $1 run id, $2 group id and $3 external id behind which it begins (null: at the beginning), $4 how many
 * operations at most. A row where there may be more: the last that was forgotten, as group id and external id.
 */
export const clearOperations: StatementFor = (schema) => ({
  name: 'counterfoil_audit_clear_2',
  text: `
WITH last AS (
  SELECT o.group_id, o.external_id FROM ${schema}.audit_operations AS o
  WHERE ${ofList('>', BEGINNING)}
  ORDER BY o.group_id, o.external_id
  OFFSET $4::bigint - 1 LIMIT 1
), forgotten AS (
  DELETE FROM ${schema}.audit_operations AS o
  WHERE ${ofList('>', BEGINNING)} AND ${ofList('<=', END)}
)
SELECT group_id, external_id FROM last`,
})

/** Where a part begins, and where it ends: with the last of it, or behind any id. */
const BEGINNING = "coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'), coalesce($3::text, '')"
const END = `coalesce((SELECT l.group_id FROM last AS l), 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    coalesce((SELECT l.external_id FROM last AS l), '')`

/** Whether the operation at alias `o` is of the list, and stands so to a place in its order. */
function ofList(order: '>' | '<=', place: string): string {
  return `o.run_id = $1::uuid AND (o.group_id, o.external_id) ${order} (${place})`
}
