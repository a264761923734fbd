import { changed, changedOne, NOW } from '../row.js'
import type { QuotedSchema, StatementFor } from '../statement.js'
import { areNames, type Names, vouchedIf } from './vouched.js'

/**
 * A condition that is always true and, told a time, first sees to it that the statement waits no longer than that for
 * anybody: for a key that stands in somebody's open transaction. In force until this statement's own transaction ends,
 * so that a pooler may stand between.
 */
function patient(parameter: string): string {
  return `(SELECT CASE WHEN ${parameter}::text IS NULL THEN '' ELSE set_config('lock_timeout', ${parameter}, true) END) IS NOT NULL`
}

const NAMES_OF_MANY: Names = {
  namespace: '($9::text[])[i.kind]',
  effect: '($10::text[])[i.kind]',
  key: 'i.key',
  reference: 'i.reference',
  fingerprint: 'i.fingerprint',
  generation: '($11::integer[])[i.kind]',
}

const NAMES_OF_ONE: Names = {
  namespace: '$8::text',
  effect: '$9::text',
  key: '$2::text',
  reference: '$3::text',
  fingerprint: '$5::text',
  generation: '$10::integer',
}

/** What a new entry with a call under way needs besides its names: no rule speaks of the rest. */
function isCalled(names: Names, needed: readonly string[]): string {
  return `${areNames(names)} AND num_nulls(${needed.join(', ')}) = 0`
}

/** The two parts of `beginEntries`: the row of the batch, and the entries, of which `created` has the ids. */
export function beginning(schema: QuotedSchema): string {
  return `batch AS (
  INSERT INTO ${schema}.batches (id, due_at, ids)
  VALUES ($15::uuid, ${NOW} + $16::double precision * interval '1 millisecond', $1::uuid[])
  ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, ids = excluded.ids
), created AS (
  INSERT INTO ${schema}.entries AS e (
    id, key, reference, input, fingerprint, group_key, namespace, effect, generation,
    state, fence, owner, lease_until, attempts, first_sent_at, last_deadline_at, settlement, created_at, updated_at,
    vouched_at
  )
  SELECT
    i.id, i.key, i.reference, i.input, i.fingerprint, i.group_key,
    ($9::text[])[i.kind], ($10::text[])[i.kind], ($11::integer[])[i.kind],
    'executing', 1, i.owner,
    ${NOW} + ($13::double precision[])[i.kind] * interval '1 millisecond',
    1,
    ${NOW},
    ${NOW} + ($14::double precision[])[i.kind] * interval '1 millisecond',
    CASE WHEN ($12::boolean[])[i.kind] THEN 'due' ELSE 'none' END,
    ${NOW}, ${NOW},
    ${vouchedIf(isCalled(NAMES_OF_MANY, ['i.input', 'i.owner', '($13::double precision[])[i.kind]', '($14::double precision[])[i.kind]']))}
  FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::json[], $5::text[], $6::text[], $7::text[], $8::integer[]
  ) AS i (id, key, reference, input, fingerprint, group_key, owner, kind)
  WHERE ${patient('$17')}
  ON CONFLICT (id) DO NOTHING
  RETURNING e.id
)`
}

/**
 * Creates entries that are claimed at once for their first call (protocol `begin`). Existing ones stay as they are; of
 * two with one id in the batch, the first is created.
 *
 * Parameters, arrays of one length: $1 id, $2 key, $3 reference, $4 input (JSON), $5 fingerprint, $6 group_key (null: none
 * has one), $7 owner, $8 which of the kinds it is, from 1; arrays with one element a kind: $9 namespace, $10 effect,
 * $11 generation, $12 whether it has a `settled` handler, $13 lease in ms, $14 longest call in ms; and $15 the id of the
 * batch, $16 the shortest lease of them in ms, $17 how long to wait for anybody, as a setting (null: as long as it takes).
 * One row that tells which entries this statement created (`changed`).
 *
 * By subscript, not by a join with the kinds: rows have to be written in the order given.
 */
export const beginEntries: StatementFor = (schema) => ({
  name: 'counterfoil_begin_8',
  text: `
WITH ${beginning(schema)}
${changed('created', '$1')}`,
})

/**
 * The same for one entry: what a lone caller waits for. A list of one costs the server half as much again, for the
 * functions that take it apart (measured: 196 against 147 microseconds, where a bare `SELECT 1` takes 37).
 *
 * Parameters: $1 id, $2 key, $3 reference, $4 input (JSON), $5 fingerprint, $6 group_key, $7 owner, $8 namespace,
 * $9 effect, $10 generation, $11 whether it has a `settled` handler, $12 lease in ms, $13 longest call in ms, $14 the
 * id of the batch, and $15 how long to wait for anybody. The row as above; none where there is such an entry already.
 */
export const beginEntry: StatementFor = (schema) => ({
  name: 'counterfoil_begin_one_5',
  text: `
WITH batch AS (
  INSERT INTO ${schema}.batches (id, due_at, ids)
  VALUES ($14::uuid, ${NOW} + $12::double precision * interval '1 millisecond', ARRAY[$1::uuid])
  ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, ids = excluded.ids
)
INSERT INTO ${schema}.entries AS e (
  id, key, reference, input, fingerprint, group_key, namespace, effect, generation,
  state, fence, owner, lease_until, attempts, first_sent_at, last_deadline_at, settlement, created_at, updated_at,
  vouched_at
) SELECT
  $1::uuid, $2::text, $3::text, $4::json, $5::text, $6::text, $8::text, $9::text, $10::integer,
  'executing', 1, $7::text,
  ${NOW} + $12::double precision * interval '1 millisecond',
  1,
  ${NOW},
  ${NOW} + $13::double precision * interval '1 millisecond',
  CASE WHEN $11::boolean THEN 'due' ELSE 'none' END,
  ${NOW}, ${NOW},
  ${vouchedIf(isCalled(NAMES_OF_ONE, ['$4::json', '$7::text', '$12::double precision', '$13::double precision']))}
WHERE ${patient('$15')}
ON CONFLICT (id) DO NOTHING
RETURNING ${changedOne()}`,
})

const NAMES_OF_ENQUEUED: Names = {
  namespace: 'i.namespace',
  effect: 'i.effect',
  key: 'i.key',
  reference: 'i.reference',
  fingerprint: 'i.fingerprint',
  generation: 'i.generation',
}

const NAMES_OF_ENQUEUED_ONE: Names = {
  namespace: '$2::text',
  effect: '$3::text',
  key: '$4::text',
  reference: '$6::text',
  fingerprint: '$8::text',
  generation: '$5::integer',
}

/**
 * Creates entries that wait for a dispatcher (protocol `enqueue`), in the caller's transaction.
 *
 * Parameters, arrays of one length: $1 id, $2 namespace, $3 effect, $4 key, $5 generation, $6 reference, $7 input (JSON),
 * $8 fingerprint, $9 serialize_key, $10 group_key, $11 whether it has a `settled` handler, $12 not before (microseconds since the epoch) or
 * $13 so many microseconds from now (both null: at once), $14 place in the caller's order; and $15, the channel to wake dispatchers on (null: none).
 * A returned row is the id of an entry that this statement created. They wake once the transaction has committed.
 */
export const enqueueEntries: StatementFor = (schema) => ({
  name: 'counterfoil_enqueue_4',
  text: `
WITH created AS (
  INSERT INTO ${schema}.entries AS e (
    id, namespace, effect, key, generation, reference, input, fingerprint, serialize_key, group_key,
    state, fence, due_at, attempts, settlement, created_at, updated_at, position, vouched_at
  )
  SELECT
    i.id, i.namespace, i.effect, i.key, i.generation, i.reference, i.input, i.fingerprint, i.serialize_key, i.group_key,
    'pending', 0,
    coalesce(
      'epoch'::timestamptz + i.not_before_us * interval '1 microsecond',
      ${NOW} + i.wait_us * interval '1 microsecond',
      ${NOW}
    ),
    0,
    CASE WHEN i.has_handler THEN 'due' ELSE 'none' END,
    ${NOW}, ${NOW}, i.position,
    ${vouchedIf(`${areNames(NAMES_OF_ENQUEUED)} AND i.input IS NOT NULL`)}
  FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::json[], $8::text[], $9::text[],
    $10::text[], $11::boolean[], $12::double precision[], $13::double precision[], $14::integer[]
  ) AS i (
    id, namespace, effect, key, generation, reference, input, fingerprint, serialize_key,
    group_key, has_handler, not_before_us, wait_us, position
  )
  ON CONFLICT (id) DO NOTHING
  RETURNING e.id
)
SELECT c.id::text AS id, CASE
  WHEN w.channel IS NOT NULL AND row_number() OVER () = 1 THEN pg_notify(w.channel, c.id::text)::text
END AS told
FROM created AS c CROSS JOIN (SELECT $15::text AS channel) AS w`,
})

/**
 * The same for one entry in a transaction of its own, as `beginEntry` is for `beginEntries`.
 *
 * Parameters: $1 id, $2 namespace, $3 effect, $4 key, $5 generation, $6 reference, $7 input (JSON), $8 fingerprint,
 * $9 serialize_key, $10 group_key, $11 whether it has a `settled` handler, $12 not before or $13 so many microseconds
 * from now, $14 place in the caller's order, $15 the channel. The row as above; none where there is such an entry already.
 */
export const enqueueEntry: StatementFor = (schema) => ({
  name: 'counterfoil_enqueue_one_2',
  text: `
INSERT INTO ${schema}.entries AS e (
  id, namespace, effect, key, generation, reference, input, fingerprint, serialize_key, group_key,
  state, fence, due_at, attempts, settlement, created_at, updated_at, position, vouched_at
) VALUES (
  $1::uuid, $2::text, $3::text, $4::text, $5::integer, $6::text, $7::json, $8::text, $9::text, $10::text,
  'pending', 0,
  coalesce(
    'epoch'::timestamptz + $12::double precision * interval '1 microsecond',
    ${NOW} + $13::double precision * interval '1 microsecond',
    ${NOW}
  ),
  0,
  CASE WHEN $11::boolean THEN 'due' ELSE 'none' END,
  ${NOW}, ${NOW}, $14::integer,
  ${vouchedIf(`${areNames(NAMES_OF_ENQUEUED_ONE)} AND $7::json IS NOT NULL`)}
)
ON CONFLICT (id) DO NOTHING
RETURNING e.id::text AS id, CASE WHEN $15::text IS NOT NULL THEN pg_notify($15::text, e.id::text)::text END AS told`,
})

/**
 * How entries stand that could not be created, in the caller's transaction.
 *
 * Parameters: $1 array of ids.
 * A returned row is an entry: id, state, generation, fingerprint, all as text.
 */
export const standingEntries: StatementFor = (schema) => ({
  name: 'counterfoil_standing_1',
  text: `
SELECT e.id::text AS id, e.state, e.generation::text AS generation, e.fingerprint
FROM ${schema}.entries AS e
WHERE e.id = ANY($1::uuid[])`,
})
