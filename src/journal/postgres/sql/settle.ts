import { ENTRY_COLUMNS, isBegun, NOW } from '../row.js'
import { expectFew, type StatementFor } from '../statement.js'

/** The outcome is known and its consequences are not done: what the `settled` handler is for. */
const SETTLEABLE = `e.settlement = 'due' AND e.state IN ('succeeded', 'failed', 'compensating', 'compensated')`

/**
 * Entries whose `settled` handler is due, the longest due first.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; $3 how many at most. A returned row is an id.
 */
export const dueSettlements: StatementFor = (schema) => ({
  name: 'counterfoil_due_settlements_3',
  text: `
SELECT d.id
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (namespace, effect, place)
CROSS JOIN LATERAL (
  SELECT e.id, e.due_at FROM ${schema}.entries AS e
  WHERE e.namespace = t.namespace AND e.effect = t.effect AND ${isBegun('e')} AND e.due_at <= ${NOW} AND ${SETTLEABLE}
  ORDER BY e.due_at
  LIMIT $3::bigint
) AS d
WHERE ${expectFew('t.place')}
ORDER BY d.due_at
LIMIT $3::bigint`,
})

/** The longest that a statement may take, as it is set here: a shorter one of the user's own stays. */
const OWN_TIMEOUT = "current_setting('statement_timeout')"
const LONGEST_STATEMENT = `CASE
  WHEN $2::bigint IS NULL
    OR ${OWN_TIMEOUT}::interval BETWEEN interval '1 microsecond' AND $2::bigint * interval '1 millisecond'
  THEN ${OWN_TIMEOUT} ELSE ($2::bigint)::text
END`

/**
 * Takes an entry for its `settled` handler, until the end of the transaction.
 *
 * Parameters: $1 id, $2 the longest in ms that a later statement of this transaction may take (null: as it is set). A
 * returned row is the entry; none where another worker has it, or nothing is due.
 *
 * The server ends what takes longer. A handler that is given up may wait for a lock, and its ROLLBACK behind that: closing
 * the connection would free our end of it alone, with the row locked until the server looks at its own; a cancel request
 * may strike the connection's next user.
 */
export const takeForSettlement: StatementFor = (schema) => ({
  name: 'counterfoil_take_for_settlement_2',
  text: `
SELECT ${ENTRY_COLUMNS}, set_config('statement_timeout', ${LONGEST_STATEMENT}, true)
FROM ${schema}.entries AS e
WHERE e.id = $1::uuid AND ${SETTLEABLE}
FOR UPDATE SKIP LOCKED`,
})

/**
 * Marks the settlement of a taken entry done, in the handler's transaction.
 *
 * Parameters: $1 id. A returned row is the id.
 */
export const markSettled: StatementFor = (schema) => ({
  name: 'counterfoil_mark_settled_1',
  text: `
UPDATE ${schema}.entries AS e
SET settlement = 'done', settlement_attempts = e.settlement_attempts + 1, due_at = NULL, updated_at = ${NOW}
WHERE e.id = $1::uuid AND ${SETTLEABLE}
RETURNING e.id`,
})

/**
 * Notes that a `settled` handler failed.
 *
 * Parameters: $1 id, $2 due again from now in ms (null: never, it is dead). A returned row is the id.
 */
export const noteSettlementFailure: StatementFor = (schema) => ({
  name: 'counterfoil_note_settlement_failure_1',
  text: `
UPDATE ${schema}.entries AS e SET
  settlement = CASE WHEN $2::double precision IS NULL THEN 'dead' ELSE 'due' END,
  settlement_attempts = e.settlement_attempts + 1,
  due_at = ${NOW} + $2::double precision * interval '1 millisecond',
  updated_at = ${NOW}
WHERE e.id = $1::uuid AND ${SETTLEABLE}
RETURNING e.id`,
})

/**
 * Entries whose `settled` handler is dead, the oldest first.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; $3 how many at most. A returned row is an entry.
 */
export const deadSettlements: StatementFor = (schema) => ({
  name: 'counterfoil_dead_settlements_1',
  text: `
SELECT ${ENTRY_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS t (namespace, effect)
CROSS JOIN LATERAL (
  SELECT d.* FROM ${schema}.entries AS d
  WHERE d.namespace = t.namespace AND d.effect = t.effect AND d.settlement = 'dead'
  ORDER BY d.created_at
  LIMIT $3::bigint
) AS e
ORDER BY e.created_at, e.id
LIMIT $3::bigint`,
})

/**
 * Makes a dead handler due at once, with its runs counted anew.
 *
 * Parameters: $1 id. A returned row is the id; none where it is not dead.
 */
export const retrySettlement: StatementFor = (schema) => ({
  name: 'counterfoil_retry_settlement_1',
  text: `
UPDATE ${schema}.entries AS e
SET settlement = 'due', settlement_attempts = 0, due_at = ${NOW}, updated_at = ${NOW}
WHERE e.id = $1::uuid AND e.settlement = 'dead'
RETURNING e.id`,
})
