import type { Migration } from './migration.js'

/**
 * Compensations. `undone` has a row for each operation of which anything was ever undone: whoever begins or ends an
 * undoing holds it, so that two of one operation go one after the other and never give back more than it moved.
 * `compensations` has a row for each undoing, beside the entry that carries it out.
 *
 * An entry may be `succeeded` with a reason from here on: the refusal of its undoing. The constraint that forbids other
 * reasons is not validated against old rows, which meet a stricter one.
 */
export const compensations: Migration = {
  version: 3,
  breaking: false,
  sql: (schema) => `
ALTER TABLE ${schema}.entries DROP CONSTRAINT entries_succeeded;
ALTER TABLE ${schema}.entries ADD CONSTRAINT entries_succeeded CHECK (
  state <> 'succeeded' OR reason IS NULL OR reason->>'code' = 'compensation_rejected'
) NOT VALID;
ALTER TABLE ${schema}.entries ADD CONSTRAINT entries_compensated CHECK (
  state NOT IN ('compensating', 'compensated') OR external_id IS NOT NULL
) NOT VALID;

-- For compensating a business operation as a whole. Only entries of one are in it.
CREATE INDEX entries_group ON ${schema}.entries (namespace, group_key) WHERE group_key IS NOT NULL;

CREATE TABLE ${schema}.undone (
  namespace text NOT NULL,
  effect text NOT NULL,
  external_id text NOT NULL,
  total bigint,
  currency text,
  reserved bigint NOT NULL DEFAULT 0,
  undone bigint NOT NULL DEFAULT 0,
  whole text NOT NULL DEFAULT 'none',

  CONSTRAINT undone_pkey PRIMARY KEY (namespace, effect, external_id),
  CONSTRAINT undone_money CHECK ((total IS NULL) = (currency IS NULL)),
  CONSTRAINT undone_whole CHECK (whole IN ('none', 'running', 'done')),
  CONSTRAINT undone_never_more CHECK (
    reserved >= 0 AND undone >= 0 AND total >= 0 AND (total IS NULL OR reserved + undone <= total)
  )
);

CREATE TABLE ${schema}.compensations (
  undo_id uuid NOT NULL,
  entry_id uuid,
  finding_id uuid,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  minor_units bigint,
  whole boolean NOT NULL,
  state text NOT NULL,
  namespace text NOT NULL,
  effect text NOT NULL,
  external_id text NOT NULL,
  actor text,
  reason text NOT NULL,
  refusal json,

  CONSTRAINT compensations_pkey PRIMARY KEY (undo_id),
  CONSTRAINT compensations_state CHECK (state IN ('running', 'undone', 'rejected')),
  CONSTRAINT compensations_ended CHECK ((state = 'running') = (ended_at IS NULL)),
  CONSTRAINT compensations_refusal CHECK ((state = 'rejected') = (refusal IS NOT NULL)),
  CONSTRAINT compensations_amount CHECK (minor_units > 0)
);
CREATE INDEX compensations_operation ON ${schema}.compensations (namespace, effect, external_id);
`,
}
