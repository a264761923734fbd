import { checkFunction } from './0007-one-check.js'
import { RULES_12 } from './0012-parked.js'
import { checkByState } from './0013-lean.js'
import type { Migration } from './migration.js'

/**
 * Where an entry stands in its index, and a column in its row.
 *
 * Ids of entries begin with what their keys have in common that are used one after the other (`entryId`). Entries of
 * before would not be found by their keys any more, and what they did would be done again: so a journal that has any is
 * refused, whole. No release wrote such a journal.
 *
 * As there are none, the table is made anew, with what lasts first and what an outcome changes last. The WAL has of a row's
 * second version only what differs from the first, beginning with the first byte that does: the names, the input and their
 * like are written once, where they were written twice. And an indexed column is looked at by each outcome, for which it
 * should not stand behind others of any length, or behind one that may be null.
 *
 * Breaking: a program that does not know this step would look for entries by ids that they do not have.
 */
export const places: Migration = {
  version: 16,
  breaking: true,
  sql: (schema) => `
DO $$ BEGIN
  IF EXISTS (SELECT FROM ${schema}.entries) OR EXISTS (SELECT FROM ${schema}.history) THEN
    RAISE EXCEPTION 'It holds entries whose ids are of the form before the first release. Nothing was changed. Finish '
      'them with the program that wrote them, and give this one another schema.'
      USING ERRCODE = 'feature_not_supported';
  END IF;
END $$;

-- With what is made of its rows: the functions that check them.
DROP TABLE ${schema}.entries CASCADE;

CREATE TABLE ${schema}.entries (
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  fence bigint NOT NULL,
  first_sent_at timestamptz,
  generation integer NOT NULL,
  position integer NOT NULL DEFAULT 0,
  namespace text NOT NULL,
  effect text NOT NULL,
  settlement text NOT NULL,
  key text NOT NULL,
  reference text NOT NULL,
  fingerprint text NOT NULL,
  serialize_key text,
  group_key text,
  input json,
  -- From here on an outcome changes nearly everything.
  last_deadline_at timestamptz,
  updated_at timestamptz NOT NULL,
  vouched_at timestamptz,
  lease_until timestamptz,
  due_at timestamptz,
  in_doubt_since timestamptz,
  parked_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  find_failures integer NOT NULL DEFAULT 0,
  settlement_attempts integer NOT NULL DEFAULT 0,
  key_spent boolean NOT NULL DEFAULT false,
  awaited boolean NOT NULL DEFAULT false,
  state text NOT NULL,
  owner text,
  external_id text,
  forced_by text,
  receipt json,
  reason json,

  CONSTRAINT entries_pkey PRIMARY KEY (id)
) WITH (fillfactor = 45);

${checkFunction(schema, 'check_entry_12', RULES_12)}

${checkByState(schema)}

ALTER TABLE ${schema}.entries
  ADD CONSTRAINT entries_rules CHECK (vouched_at = statement_timestamp() OR ${schema}.check_entry_11(entries)) NOT VALID;

CREATE INDEX entries_dead ON ${schema}.entries (namespace, effect, created_at) WHERE settlement = 'dead';
CREATE INDEX entries_due ON ${schema}.entries (namespace, effect, (fence > 0), due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_group ON ${schema}.entries (namespace, group_key) WHERE group_key IS NOT NULL;
CREATE INDEX entries_parked ON ${schema}.entries (namespace, effect, parked_at, id) WHERE parked_at IS NOT NULL;
CREATE INDEX entries_turn ON ${schema}.entries (namespace, serialize_key, (fence > 0), created_at, position, id)
  WHERE serialize_key IS NOT NULL AND due_at IS NOT NULL;

-- Why not before PostgreSQL 16, 0006 says; what an audit reads there instead, 0004.
DO $$ BEGIN
  IF current_setting('server_version_num')::integer >= 160000 THEN
    CREATE INDEX entries_called ON ${schema}.entries USING brin (first_sent_at, last_deadline_at)
      WITH (pages_per_range = 32, autosummarize = on);
  ELSE
    CREATE INDEX entries_sent ON ${schema}.entries USING brin (first_sent_at)
      WITH (pages_per_range = 32, autosummarize = on);
  END IF;
END $$;
`,
}
