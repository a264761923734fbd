import { NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/** The columns of a compensation, as text, in the order that `compensationOf` reads. */
const COMPENSATION_COLUMNS = `c.undo_id::text AS undo_id, c.entry_id::text AS entry_id, c.namespace, c.effect, c.external_id,
  c.minor_units::text AS minor_units, c.whole::text AS whole, c.state, c.finding_id::text AS finding_id`

/** The columns of a row of `undone`, as text. */
const UNDONE_COLUMNS = `u.total::text AS total, u.currency, u.reserved::text AS reserved, u.undone::text AS undone, u.whole`

/**
 * Takes the account of an operation until the end of the transaction, and opens it where there is none.
 *
 * Parameters: $1 namespace, $2 effect, $3 external_id, $4 total in minor units, $5 its currency (both null: not known).
 * One row: how much of it has been undone.
 */
export const takeUndone: StatementFor = (schema) => ({
  name: 'counterfoil_take_undone_1',
  text: `
INSERT INTO ${schema}.undone AS u (namespace, effect, external_id, total, currency)
VALUES ($1::text, $2::text, $3::text, $4::bigint, $5::text)
ON CONFLICT (namespace, effect, external_id) DO UPDATE
SET total = coalesce(u.total, excluded.total), currency = coalesce(u.currency, excluded.currency)
RETURNING ${UNDONE_COLUMNS}`,
})

/**
 * How much of an operation has been undone. Parameters: $1 namespace, $2 effect, $3 external_id.
 */
export const readUndone: StatementFor = (schema) => ({
  name: 'counterfoil_read_undone_1',
  text: `
SELECT ${UNDONE_COLUMNS} FROM ${schema}.undone AS u
WHERE u.namespace = $1::text AND u.effect = $2::text AND u.external_id = $3::text`,
})

/** Parameters: $1 namespace, $2 effect, $3 external_id, $4 reserved, $5 undone, $6 whole. */
export const writeUndone: StatementFor = (schema) => ({
  name: 'counterfoil_write_undone_1',
  text: `
UPDATE ${schema}.undone AS u SET reserved = $4::bigint, undone = $5::bigint, whole = $6::text
WHERE u.namespace = $1::text AND u.effect = $2::text AND u.external_id = $3::text`,
})

/** A compensation by the id of its undoing, $1. */
export const readCompensation: StatementFor = (schema) => ({
  name: 'counterfoil_read_compensation_1',
  text: `SELECT ${COMPENSATION_COLUMNS} FROM ${schema}.compensations AS c WHERE c.undo_id = $1::uuid`,
})

/**
 * Parameters: $1 undo_id, $2 entry_id, $3 finding_id, $4 minor_units (null: all), $5 whole, $6 namespace, $7 effect,
 * $8 external_id, $9 actor, $10 reason.
 */
export const insertCompensation: StatementFor = (schema) => ({
  name: 'counterfoil_insert_compensation_1',
  text: `
INSERT INTO ${schema}.compensations (
  undo_id, entry_id, finding_id, created_at, minor_units, whole, state, namespace, effect, external_id, actor, reason
) VALUES (
  $1::uuid, $2::uuid, $3::uuid, ${NOW}, $4::bigint, $5::boolean, 'running', $6::text, $7::text, $8::text, $9::text, $10::text
)`,
})

/**
 * Marks a running compensation ended. Parameters: $1 undo_id, $2 state, $3 refusal (JSON).
 * A returned row is the compensation; none where it had ended before.
 */
export const endCompensation: StatementFor = (schema) => ({
  name: 'counterfoil_end_compensation_1',
  text: `
UPDATE ${schema}.compensations AS c SET state = $2::text, refusal = $3::json, ended_at = ${NOW}
WHERE c.undo_id = $1::uuid AND c.state = 'running'
RETURNING ${COMPENSATION_COLUMNS}`,
})

/** Takes an entry until the end of the transaction. Parameters: $1 id. A returned row: state, external_id, whether it is compact. */
export const takeEntry: StatementFor = (schema) => ({
  name: 'counterfoil_take_entry_2',
  text: `
SELECT e.state, e.external_id, (e.input IS NULL)::text AS is_compact
FROM ${schema}.entries AS e WHERE e.id = $1::uuid FOR UPDATE`,
})

/**
 * Writes where a taken entry stands by its compensations, and wakes whoever waits for it.
 * Parameters: $1 id, $2 state, $3 reason (JSON), $4 the channel to notify on.
 */
export const writeCompensationState: StatementFor = (schema) => ({
  name: 'counterfoil_write_compensation_state_1',
  text: `
WITH changed AS (
  UPDATE ${schema}.entries AS e SET state = $2::text, reason = $3::json, updated_at = ${NOW}
  WHERE e.id = $1::uuid AND e.state IN ('succeeded', 'compensating')
  RETURNING e.id, e.awaited
)
SELECT CASE WHEN e.awaited THEN pg_notify($4::text, e.id::text) END FROM changed AS e`,
})
