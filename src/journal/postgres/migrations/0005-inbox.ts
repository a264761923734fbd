import type { Migration } from './migration.js'

/**
 * The inbox: a row for each message that was received within its retention, and for each whose handling has failed so
 * far (`received_at` is null then, and `begun` counts).
 *
 * The key is a hash, so that ids of any length spread evenly over it. What is over is found by an index that begins with
 * a sixteenth of the key: times alone would send every insert to the one end of it, which a database that distributes
 * its ranges pays for. No update of a received row touches an index (HOT).
 */
export const inbox: Migration = {
  version: 5,
  breaking: false,
  sql: (schema) => `
CREATE TABLE ${schema}.inbox (
  id uuid NOT NULL,
  received_at timestamptz,
  expires_at timestamptz NOT NULL,
  begun integer NOT NULL,
  shard smallint NOT NULL,
  namespace text NOT NULL,
  consumer text NOT NULL,
  source text NOT NULL,
  message_id text NOT NULL,
  reason json,
  result json,

  CONSTRAINT inbox_pkey PRIMARY KEY (id),
  CONSTRAINT inbox_names CHECK (namespace <> '' AND consumer <> '' AND source <> '' AND message_id <> ''),
  CONSTRAINT inbox_shard CHECK (shard BETWEEN 0 AND 15),
  CONSTRAINT inbox_begun CHECK (begun >= 1),
  CONSTRAINT inbox_result CHECK (received_at IS NOT NULL OR result IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX inbox_expiry ON ${schema}.inbox (shard, expires_at);
`,
}
