import type { Migration } from './migration.js'

/**
 * By when an entry can have been called. An operation that is listed without its key is some entry's that had a call
 * under way when it was made; of which, its reference says. So an audit reads the entries whose calls reach into its
 * window, and not all there are: `entries_called` summarizes first send and last deadline by page ranges (BRIN), in the
 * place of the summary of the first send alone, and so costs the way in no more than that one did.
 *
 * From PostgreSQL 16 on. Before it, an update of a column in any index is no heap-only one, a summary's too: every
 * success would touch every index. There an audit that meets an operation without a key reads all entries.
 *
 * Rejected: an index on the reference, which every effect would pay for on its way in, for audits of services that do
 * not give the key back.
 *
 * Former generations are few, and nobody waits for them: they get an index on their reference.
 */
export const called: Migration = {
  version: 6,
  breaking: false,
  sql: (schema) => `
DO $$ BEGIN
  IF current_setting('server_version_num')::integer >= 160000 THEN
    CREATE INDEX entries_called ON ${schema}.entries USING brin (first_sent_at, last_deadline_at)
      WITH (pages_per_range = 32, autosummarize = on);
    DROP INDEX ${schema}.entries_sent;
  END IF;
END $$;

CREATE INDEX history_reference ON ${schema}.history ((entry->>'reference'));
`,
}
