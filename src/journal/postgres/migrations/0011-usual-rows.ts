import type { Migration } from './migration.js'

/**
 * What nearly every row is that is written: one that waits for a dispatcher, one with a call under way, or one that has
 * gone well. Whatever else it holds, it keeps every rule (a test tries all there can be). With columns of `e`.
 */
export const USUAL_ROW = `
  e.namespace <> '' AND e.effect <> '' AND char_length(e.key) BETWEEN 1 AND 512
  AND octet_length(e.reference) BETWEEN 1 AND 36 AND e.fingerprint <> '' AND e.input IS NOT NULL
  AND e.generation >= 1 AND e.fence >= 0 AND e.attempts >= 0 AND e.find_failures >= 0 AND e.settlement_attempts >= 0
  AND CASE e.state
    WHEN 'executing' THEN e.fence >= 1 AND e.attempts >= 1 AND e.settlement IN ('none', 'due')
      AND num_nulls(e.lease_until, e.owner, e.first_sent_at, e.last_deadline_at) = 0
      AND (e.due_at IS NULL OR e.due_at = e.lease_until)
    WHEN 'succeeded' THEN e.attempts >= 1 AND e.settlement = 'none'
      AND num_nulls(e.first_sent_at, e.last_deadline_at) = 0
      AND num_nulls(e.lease_until, e.owner, e.due_at, e.in_doubt_since, e.reason) = 5
    WHEN 'pending' THEN e.due_at IS NOT NULL AND e.settlement IN ('none', 'due')
      AND num_nulls(e.lease_until, e.owner, e.first_sent_at, e.last_deadline_at, e.in_doubt_since) = 5
  END`

/**
 * The rules of every row, behind a look at whether it is a usual one. All of them together are long to
 * work out for each row, and PostgreSQL makes them ready anew in each transaction; this look is shorter.
 *
 * Rejected: the look as an expression of the constraint itself, which takes more away for a batch, and costs a lone
 * effect more than it spares: it is read anew for each statement.
 */
export const usualRows: Migration = {
  version: 11,
  breaking: false,
  sql: (schema) => `
CREATE FUNCTION ${schema}.check_entry_11(e ${schema}.entries) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $check$
BEGIN
  IF (${USUAL_ROW}) THEN
    RETURN true;
  END IF;
  RETURN ${schema}.check_entry_8(e);
END
$check$;

ALTER TABLE ${schema}.entries
  DROP CONSTRAINT entries_rules,
  ADD CONSTRAINT entries_rules CHECK (${schema}.check_entry_11(entries)) NOT VALID;
`,
}
