import type { Migration } from './migration.js'

/**
 * Audits. `audit_operations` is the service's list while an audit is under way: its key begins with the entry's id, so
 * that one index serves the join with the entries, the look-up of a single operation and the detection of repeats.
 *
 * The index on the first send is a summary of page ranges (BRIN): entries stand about in the order of their sending, so
 * that it finds a window of a large journal for next to nothing on the way in.
 */
export const audits: Migration = {
  version: 4,
  breaking: false,
  sql: (schema) => `
CREATE INDEX entries_sent ON ${schema}.entries USING brin (first_sent_at) WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE ${schema}.audit_runs (
  id uuid NOT NULL,
  fence bigint NOT NULL,
  started_at timestamptz NOT NULL,
  window_from timestamptz NOT NULL,
  window_to timestamptz NOT NULL,
  ended_at timestamptz,
  due_at timestamptz,
  namespace text NOT NULL,
  effect text NOT NULL,
  request text NOT NULL,
  state text NOT NULL,
  list_cursor text,
  counts json NOT NULL,
  note json,

  CONSTRAINT audit_runs_pkey PRIMARY KEY (id),
  CONSTRAINT audit_runs_state CHECK (state IN ('listing', 'matching', 'repairing', 'complete', 'incomplete')),
  CONSTRAINT audit_runs_ended CHECK ((state IN ('complete', 'incomplete')) = (ended_at IS NOT NULL)),
  CONSTRAINT audit_runs_incomplete CHECK (state <> 'incomplete' OR note IS NOT NULL)
);
CREATE INDEX audit_runs_latest ON ${schema}.audit_runs (namespace, effect, started_at DESC);

CREATE TABLE ${schema}.audit_operations (
  run_id uuid NOT NULL,
  group_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  minor_units bigint,
  undone bigint,
  owned boolean NOT NULL,
  external_id text NOT NULL,
  state text NOT NULL,
  currency text,
  reference text,
  key text,

  CONSTRAINT audit_operations_pkey PRIMARY KEY (run_id, group_id, external_id),
  CONSTRAINT audit_operations_money CHECK (
    (minor_units IS NULL) = (currency IS NULL) AND minor_units >= 0 AND undone >= 0
  )
);

CREATE TABLE ${schema}.audit_findings (
  id uuid NOT NULL,
  first_run uuid NOT NULL,
  last_run uuid NOT NULL,
  entry_id uuid,
  found_at timestamptz NOT NULL,
  decided_at timestamptz,
  minor_units bigint,
  expected_minor_units bigint,
  kept_seen_live boolean,
  namespace text NOT NULL,
  effect text NOT NULL,
  kind text NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  status text NOT NULL,
  external_id text,
  reference text,
  key text,
  kept_external_id text,
  currency text,
  expected_currency text,
  decided_by text,
  note text,

  CONSTRAINT audit_findings_pkey PRIMARY KEY (id),
  CONSTRAINT audit_findings_kind CHECK (kind IN ('duplicate', 'orphan', 'missing', 'mismatch')),
  CONSTRAINT audit_findings_status CHECK (status IN ('open', 'approved', 'repaired', 'refused', 'dismissed')),
  CONSTRAINT audit_findings_decided CHECK (status = 'open' OR decided_by IS NOT NULL),
  CONSTRAINT audit_findings_about CHECK (external_id IS NOT NULL OR entry_id IS NOT NULL)
);
CREATE INDEX audit_findings_to_do ON ${schema}.audit_findings (namespace, effect, id) WHERE status IN ('open', 'approved');

-- Which audit saw which finding.
CREATE TABLE ${schema}.audit_sightings (
  run_id uuid NOT NULL,
  finding_id uuid NOT NULL,
  CONSTRAINT audit_sightings_pkey PRIMARY KEY (run_id, finding_id)
);
`,
}
