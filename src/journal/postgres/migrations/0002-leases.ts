import type { Migration } from './migration.js'

/**
 * Leases, one row per key; `src/lease/postgres/sql.ts` says what they mean. A row outlives its lease, for its fence.
 *
 * No index but the key's: renewals then change nothing that an index knows, and stay within their page (HOT).
 */
export const leases: Migration = {
  version: 2,
  breaking: false,
  sql: (schema) => `
CREATE TABLE ${schema}.leases (
  key text NOT NULL,
  fence bigint NOT NULL,
  holder text,
  leased_until timestamptz,

  CONSTRAINT leases_pkey PRIMARY KEY (key),
  CONSTRAINT leases_key CHECK (char_length(key) BETWEEN 1 AND 512),
  CONSTRAINT leases_fence CHECK (fence > 0),
  CONSTRAINT leases_held_or_free CHECK ((holder IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 50);
`,
}
