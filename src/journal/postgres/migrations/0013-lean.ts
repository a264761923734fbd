import type { QuotedSchema } from '../statement.js'
import type { Migration } from './migration.js'

const NAMES = `
  least(e.namespace, e.effect, e.key, e.reference, e.fingerprint) COLLATE "C" > ''
  AND char_length(e.key) <= 512 AND octet_length(e.reference) <= 36`

/** Counts of one that has been begun; those that start at 0 are one lower here than there. */
const COUNTS = `least(e.generation, e.attempts, 1 + e.find_failures, 1 + e.settlement_attempts) > 0`

/**
 * What nearly every row is that is written, by its state: one with a call under way, one that has gone well, or one that
 * waits for a dispatcher. Whatever else it holds, it keeps every rule (a test tries all there can be). With columns of `e`.
 */
export const USUAL_ROWS: readonly (readonly [state: string, row: string])[] = [
  [
    'executing',
    `${NAMES} AND ${COUNTS} AND e.fence > 0 AND e.settlement IN ('none', 'due')
  AND num_nulls(e.input, e.lease_until, e.owner, e.first_sent_at, e.last_deadline_at) = 0
  AND (e.due_at IS NULL OR e.due_at = e.lease_until)`,
  ],
  [
    'succeeded',
    `${NAMES} AND ${COUNTS} AND e.fence > 0 AND e.settlement = 'none'
  AND num_nulls(e.input, e.first_sent_at, e.last_deadline_at) = 0
  AND num_nonnulls(e.lease_until, e.owner, e.due_at, e.in_doubt_since, e.reason) = 0`,
  ],
  [
    'pending',
    `${NAMES} AND e.settlement IN ('none', 'due')
  AND least(e.generation - 1, e.fence, e.attempts, e.find_failures, e.settlement_attempts) >= 0
  AND num_nulls(e.input, e.due_at) = 0
  AND num_nonnulls(e.lease_until, e.owner, e.first_sent_at, e.last_deadline_at, e.in_doubt_since) = 0`,
  ],
]

/**
 * The way in at less work for the server, above all for a lone effect, of which it makes everything ready anew.
 *
 * The look for usual rows is one expression for each state in the place of one for all. PostgreSQL makes an expression
 * ready anew in each transaction, every column and operator of it, whether it comes to them or not.
 *
 * And of two pairs of indexes, of which one had the begun entries only, one each is left, in which whether an entry has
 * been begun stands before the time. Each index is opened by every insert and every update, by a heap-only one too that
 * touches none, and an insert makes its predicate ready. A begun entry is in one index of what is due, where it was in two.
 *
 * A program that does not know this step finds what is due all the same, and sorts for it where it had an index.
 */
export const lean: Migration = {
  version: 13,
  breaking: false,
  sql: (schema) => `
${checkByState(schema)}

DROP INDEX ${schema}.entries_due;
DROP INDEX ${schema}.entries_begun;
-- What is due, and of it what has been begun: doubts, lost calls and second tries are found past any backlog.
CREATE INDEX entries_due ON ${schema}.entries (namespace, effect, (fence > 0), due_at) WHERE due_at IS NOT NULL;

DROP INDEX ${schema}.entries_turn;
DROP INDEX ${schema}.entries_turn_begun;
-- Who is before whom among the effects of one serializeKey, and who of them has been begun.
CREATE INDEX entries_turn ON ${schema}.entries (namespace, serialize_key, (fence > 0), created_at, position, id)
  WHERE serialize_key IS NOT NULL AND due_at IS NOT NULL;
`,
}

/** The function that knows a usual row by its state, and asks `check_entry_12` about any other. */
export function checkByState(schema: QuotedSchema): string {
  return `CREATE OR REPLACE FUNCTION ${schema}.check_entry_11(e ${schema}.entries) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $check$
BEGIN
  ${USUAL_ROWS.map(([state, row], i) => `${i === 0 ? 'IF' : 'ELSIF'} e.state = '${state}' THEN\n    IF ${row} THEN RETURN true; END IF;`).join('\n  ')}
  END IF;
  RETURN ${schema}.check_entry_12(e);
END
$check$;`
}
