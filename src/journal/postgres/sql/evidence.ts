import { ENTRY_COLUMNS, NOW, NOW_MICROS, parkedAt } from '../row.js'
import type { StatementFor } from '../statement.js'

/**
 * Writes what somebody who does not hold the entry has learned from the service, or says of it, if it is still as it was
 * seen and nobody holds it (protocol `evidenceChange`, `forcedResolution`). The fence is raised, so that an earlier holder writes nothing after it.
 *
 * Parameters: $1 id, $2 fence as seen, $3 state as seen, $4 state, $5 due from now in ms (null: not), $6 receipt (JSON),
 * $7 external_id, $8 reason (JSON), $9 attempts, $10 find_failures, $11 whether its doubt stays, $12 forced_by (null: as
 * it was), $13 the channel to notify on.
 * A returned row is the entry, and the journal's clock in microseconds; none where it had moved on.
 */
export const settleByEvidence: StatementFor = (schema) => ({
  name: 'counterfoil_settle_by_evidence_4',
  text: `
WITH changed AS (
  UPDATE ${schema}.entries AS e SET
    state = $4::text,
    fence = e.fence + 1,
    owner = NULL,
    lease_until = NULL,
    due_at = ${NOW} + $5::double precision * interval '1 millisecond',
    in_doubt_since = CASE WHEN $11::boolean THEN e.in_doubt_since END,
    receipt = $6::json,
    external_id = $7::text,
    reason = $8::json,
    attempts = $9::integer,
    find_failures = $10::integer,
    parked_at = ${parkedAt('$4::text')},
    forced_by = coalesce($12::text, e.forced_by),
    updated_at = ${NOW}
  WHERE e.id = $1::uuid AND e.fence = $2::bigint AND e.state = $3::text
    AND (e.lease_until IS NULL OR e.lease_until <= ${NOW})
  RETURNING e.*
), told AS (
  SELECT CASE WHEN e.awaited THEN pg_notify($13::text, e.id::text) END FROM changed AS e
)
SELECT ${ENTRY_COLUMNS}, ${NOW_MICROS} FROM changed AS e, told`,
})

/**
 * The entries of one business operation, the last executed first.
 *
 * Parameters: $1 namespace, $2 group_key. A returned row is an entry.
 */
export const readGroup: StatementFor = (schema) => ({
  name: 'counterfoil_read_group_1',
  text: `
SELECT ${ENTRY_COLUMNS} FROM ${schema}.entries AS e
WHERE e.namespace = $1::text AND e.group_key = $2::text
ORDER BY e.first_sent_at DESC NULLS LAST, e.created_at DESC, e.id`,
})
