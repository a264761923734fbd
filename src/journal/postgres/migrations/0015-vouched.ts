import type { Migration } from './migration.js'

/**
 * A statement that sees to it by itself that its rows keep the rules says so, by writing its own time into `vouched_at`;
 * the constraint takes its word, and asks all rules of every other row (sql/vouched.ts). To hand a row to a function, PostgreSQL
 * copies it whole, twice, and makes the function's expressions ready anew in each transaction: for rows of a batch that
 * was a large part of what the server did for an effect.
 *
 * The word is for one statement: whoever writes the row later without giving his own, another program or a person, has
 * another time, and is asked. A row that was loaded from a dump is asked too.
 *
 * Rejected: a mark without a time, which the next statement would inherit; rules as an expression of the constraint,
 * which is read anew for each statement; a trigger of the statement with the rows that it wrote, which spares a batch
 * less and costs a lone effect more. The last two were measured.
 *
 * A program that does not know this step vouches for nothing, and is asked as before. Nothing has to be validated: the
 * rows met the same rules before.
 */
export const vouched: Migration = {
  version: 15,
  breaking: false,
  sql: (schema) => `
ALTER TABLE ${schema}.entries ADD COLUMN vouched_at timestamptz;

ALTER TABLE ${schema}.entries
  DROP CONSTRAINT entries_rules,
  ADD CONSTRAINT entries_rules CHECK (vouched_at = statement_timestamp() OR ${schema}.check_entry_11(entries)) NOT VALID;
`,
}
