import type { Migration } from './migration.js'

/**
 * The journal's first form.
 *
 * Columns of fixed width stand first, which saves the padding between them. `input` and `receipt` are json, not jsonb: a
 * repeated call must send the very bytes of the first one, and jsonb reorders properties; it is also cheaper to write.
 *
 * Every invariant of a state is a constraint too, so that no version of any program can leave a row that the protocol
 * does not know. The constraint's name is what the error will say.
 *
 * Half of every page is kept free for the second version of its rows: an effect is one insert and one update.
 */
export const entries: Migration = {
  version: 1,
  breaking: true,
  sql: (schema) => `
CREATE TABLE ${schema}.entries (
  id uuid NOT NULL,
  fence bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  lease_until timestamptz,
  due_at timestamptz,
  first_sent_at timestamptz,
  last_deadline_at timestamptz,
  in_doubt_since timestamptz,
  generation integer NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  find_failures integer NOT NULL DEFAULT 0,
  settlement_attempts integer NOT NULL DEFAULT 0,
  key_spent boolean NOT NULL DEFAULT false,
  awaited boolean NOT NULL DEFAULT false,
  state text NOT NULL,
  settlement text NOT NULL,
  namespace text NOT NULL,
  effect text NOT NULL,
  key text NOT NULL,
  reference text NOT NULL,
  fingerprint text NOT NULL,
  serialize_key text,
  group_key text,
  owner text,
  external_id text,
  forced_by text,
  input json NOT NULL,
  receipt json,
  reason json,

  CONSTRAINT entries_pkey PRIMARY KEY (id),

  CONSTRAINT entries_known_state CHECK (state IN (
    'pending', 'executing', 'in_doubt', 'succeeded', 'failed', 'parked', 'compensating', 'compensated'
  )),
  CONSTRAINT entries_known_settlement CHECK (settlement IN ('none', 'due', 'done', 'dead')),
  CONSTRAINT entries_names CHECK (namespace <> '' AND effect <> '' AND char_length(key) BETWEEN 1 AND 512),
  CONSTRAINT entries_reference CHECK (reference ~ '^[A-Za-z0-9_-]{1,36}$' AND fingerprint <> ''),
  CONSTRAINT entries_counts CHECK (
    generation >= 1 AND fence >= 0 AND attempts >= 0 AND find_failures >= 0 AND settlement_attempts >= 0
  ),

  CONSTRAINT entries_lease_has_owner CHECK ((lease_until IS NULL) = (owner IS NULL)),
  CONSTRAINT entries_lease_is_due CHECK (lease_until IS NULL OR (due_at IS NOT NULL AND due_at = lease_until AND fence >= 1)),
  CONSTRAINT entries_lease_only_while_acting CHECK (
    lease_until IS NULL OR state IN ('executing', 'in_doubt', 'compensating')
  ),
  CONSTRAINT entries_doubt_ends CHECK (in_doubt_since IS NULL OR state IN ('executing', 'in_doubt', 'parked')),
  CONSTRAINT entries_unsent_is_untried CHECK (
    (first_sent_at IS NULL) = (last_deadline_at IS NULL) AND (first_sent_at IS NULL OR attempts >= 1)
  ),

  CONSTRAINT entries_pending CHECK (state <> 'pending' OR due_at IS NOT NULL),
  CONSTRAINT entries_executing CHECK (
    state <> 'executing' OR (lease_until IS NOT NULL AND first_sent_at IS NOT NULL AND attempts >= 1)
  ),
  CONSTRAINT entries_in_doubt CHECK (
    state <> 'in_doubt' OR (in_doubt_since IS NOT NULL AND due_at IS NOT NULL AND first_sent_at IS NOT NULL)
  ),
  CONSTRAINT entries_succeeded CHECK (state <> 'succeeded' OR reason IS NULL),
  CONSTRAINT entries_reason CHECK (state NOT IN ('failed', 'parked') OR reason IS NOT NULL),
  CONSTRAINT entries_parked CHECK (state <> 'parked' OR due_at IS NULL),
  CONSTRAINT entries_settled CHECK (
    settlement NOT IN ('done', 'dead') OR state IN ('succeeded', 'failed', 'compensating', 'compensated')
  ),
  CONSTRAINT entries_settlement_due CHECK (
    state NOT IN ('succeeded', 'failed') OR (settlement = 'due') = (due_at IS NOT NULL)
  )
) WITH (fillfactor = 50);

-- What is due, and what was lost while it was held: the lease's end is the due time.
CREATE INDEX entries_due ON ${schema}.entries (namespace, effect, due_at)
  WHERE state IN ('pending', 'executing', 'in_doubt');

CREATE INDEX entries_settlement_due ON ${schema}.entries (namespace, effect, due_at)
  WHERE settlement = 'due' AND state IN ('succeeded', 'failed');

-- Former generations: the whole row as it stood when the next one began.
CREATE TABLE ${schema}.history (
  id uuid NOT NULL,
  generation integer NOT NULL,
  fingerprint text NOT NULL,
  ended_at timestamptz NOT NULL,
  entry json NOT NULL,
  CONSTRAINT history_pkey PRIMARY KEY (id, generation)
);
`,
}
