import type { Migration } from './migration.js'

/**
 * The journal's first form.
 *
 * An effect that goes well is one insert and one update, and the update touches no index: it is a heap-only one (HOT),
 * which leaves nothing behind in any index and nothing for vacuum to look for there, however large the journal grows.
 * For that, no indexed column and no column of an index's predicate may change by it, and the page must have room for
 * the second version of its rows, which is the longer one by its receipt. Measured with rows of 500 bytes: a fillfactor
 * of 50 keeps 84 % of the updates heap-only, 45 keeps 91 % in the same space, 40 all of them in 18 % more.
 *
 * So a begun entry is not in the index of what is due, as one would expect of a row that somebody must find if its
 * holder is lost. It is found through `batches` instead: a row says which entries one statement began and when all their
 * leases are over, and is written over by its process's next batch once they have come to an end. The table stays as
 * small as what is under way. What is still executing when its batch is over is put into the index (sql/sweep.ts).
 *
 * Rejected: a partial index on the due time, which the happy path would pay for three times (its own entry, the primary
 * key's second one, and dead entries of both until vacuum; measured: 15 % more WAL and a tenth more work for the
 * server); an index on the creation time with a low-water mark, which a slow transaction can slip below.
 *
 * Columns of fixed width stand first, which saves the padding between them. `input` and `receipt` are json, not jsonb: a
 * repeated call must send the very bytes of the first one, and jsonb reorders properties; it is also cheaper to write.
 *
 * Every invariant of a state is a constraint too, so that no version of any program can leave a row that the protocol
 * does not know. The constraint's name is what the error will say.
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
  position integer NOT NULL DEFAULT 0,
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
  CONSTRAINT entries_reference CHECK (octet_length(reference) BETWEEN 1 AND 36 AND fingerprint <> ''),
  CONSTRAINT entries_counts CHECK (
    generation >= 1 AND fence >= 0 AND attempts >= 0 AND find_failures >= 0 AND settlement_attempts >= 0
  ),

  CONSTRAINT entries_lease_has_owner CHECK ((lease_until IS NULL) = (owner IS NULL)),
  CONSTRAINT entries_lease_is_due CHECK (lease_until IS NULL OR due_at IS NULL OR due_at = lease_until),
  CONSTRAINT entries_lease_has_fence CHECK (lease_until IS NULL OR fence >= 1),
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
) WITH (fillfactor = 45);

-- What is due. Only due_at in the predicate: a state in it would make every change of state an indexed one.
CREATE INDEX entries_due ON ${schema}.entries (namespace, effect, due_at) WHERE due_at IS NOT NULL;

-- What one statement began, for the case that its holder is lost. It is read whole, so it has no index on the time.
CREATE TABLE ${schema}.batches (
  id uuid NOT NULL,
  due_at timestamptz NOT NULL,
  ids uuid[] NOT NULL,
  CONSTRAINT batches_pkey PRIMARY KEY (id)
) WITH (fillfactor = 40);
ALTER TABLE ${schema}.batches ALTER COLUMN ids SET STORAGE MAIN;

-- The same, without what nobody has begun: doubts, lost calls and second tries are found past any backlog.
CREATE INDEX entries_begun ON ${schema}.entries (namespace, effect, due_at) WHERE due_at IS NOT NULL AND fence > 0;

-- Who is before whom among the effects of one serializeKey. An entry at rest is due for its handler at most.
CREATE INDEX entries_turn ON ${schema}.entries (namespace, serialize_key, created_at)
  WHERE serialize_key IS NOT NULL AND due_at IS NOT NULL;

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
