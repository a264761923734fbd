import { checkFunction, type EntryRule, RULES_7 } from './0007-one-check.js'
import type { Migration } from './migration.js'

/** What 0007 asks of every row, and what it may be without an input. */
export const RULES_8: readonly EntryRule[] = [
  ...RULES_7,
  [
    'entries_compact',
    `e.input IS NOT NULL OR (
      e.receipt IS NULL AND e.state IN ('succeeded', 'failed', 'compensated') AND e.settlement IN ('none', 'done')
      AND e.lease_until IS NULL AND e.due_at IS NULL
    )`,
  ],
]

/**
 * Old entries in compact form: the same row, under the same key, without its input and its receipt (sql/retention.ts).
 * A row whose input is null is one; JSON's own null is the text 'null'.
 *
 * Rejected: to move them to a narrow table of their own. An `INSERT … ON CONFLICT` that waits for the mover's delete then
 * meets no conflict, and the call would be made a second time; no join in `begin` closes that gap, since what the mover
 * wrote is not in the statement's snapshot. In place, who comes during the change waits for it, and finds the row.
 *
 * The rules are still one function for one constraint, since each further one costs every effect twice. Nothing has to
 * be validated: the rows met the same rules before, and all have an input.
 *
 * A program that does not know compact entries would give a duplicate of one no receipt for its receipt. It goes on with
 * this schema all the same, as long as nobody sets a retention.
 */
export const compact: Migration = {
  version: 8,
  breaking: false,
  sql: (schema) => `
ALTER TABLE ${schema}.entries ALTER COLUMN input DROP NOT NULL;

${checkFunction(schema, 'check_entry_8', RULES_8)}

ALTER TABLE ${schema}.entries
  DROP CONSTRAINT entries_rules,
  ADD CONSTRAINT entries_rules CHECK (${schema}.check_entry_8(entries)) NOT VALID;
DROP FUNCTION ${schema}.check_entry(${schema}.entries);
`,
}
