import type { QuotedSchema } from '../statement.js'
import type { Migration } from './migration.js'

/** A rule for rows of `entries` at `e`, by the name that the error of a violation tells. */
export type EntryRule = readonly [name: string, rule: string]

/**
 * What holds for every row of `entries`, by the name that the error of a violation tells. With columns of `e`; like a
 * constraint, one that comes to null holds.
 *
 * The list is part of a published step: a later rule is a later step, with a function of its own.
 */
export const RULES_7: readonly EntryRule[] = [
  [
    'entries_known_state',
    "e.state IN ('pending', 'executing', 'in_doubt', 'succeeded', 'failed', 'parked', 'compensating', 'compensated')",
  ],
  ['entries_known_settlement', "e.settlement IN ('none', 'due', 'done', 'dead')"],
  ['entries_names', "e.namespace <> '' AND e.effect <> '' AND char_length(e.key) BETWEEN 1 AND 512"],
  ['entries_reference', "octet_length(e.reference) BETWEEN 1 AND 36 AND e.fingerprint <> ''"],
  [
    'entries_counts',
    'e.generation >= 1 AND e.fence >= 0 AND e.attempts >= 0 AND e.find_failures >= 0 AND e.settlement_attempts >= 0',
  ],

  ['entries_lease_has_owner', '(e.lease_until IS NULL) = (e.owner IS NULL)'],
  ['entries_lease_is_due', 'e.lease_until IS NULL OR e.due_at IS NULL OR e.due_at = e.lease_until'],
  ['entries_lease_has_fence', 'e.lease_until IS NULL OR e.fence >= 1'],
  ['entries_lease_only_while_acting', "e.lease_until IS NULL OR e.state IN ('executing', 'in_doubt', 'compensating')"],
  ['entries_doubt_ends', "e.in_doubt_since IS NULL OR e.state IN ('executing', 'in_doubt', 'parked')"],
  [
    'entries_unsent_is_untried',
    '(e.first_sent_at IS NULL) = (e.last_deadline_at IS NULL) AND (e.first_sent_at IS NULL OR e.attempts >= 1)',
  ],

  ['entries_pending', "e.state <> 'pending' OR e.due_at IS NOT NULL"],
  [
    'entries_executing',
    "e.state <> 'executing' OR (e.lease_until IS NOT NULL AND e.first_sent_at IS NOT NULL AND e.attempts >= 1)",
  ],
  [
    'entries_in_doubt',
    "e.state <> 'in_doubt' OR (e.in_doubt_since IS NOT NULL AND e.due_at IS NOT NULL AND e.first_sent_at IS NOT NULL)",
  ],
  ['entries_succeeded', "e.state <> 'succeeded' OR e.reason IS NULL OR e.reason->>'code' = 'compensation_rejected'"],
  ['entries_compensated', "e.state NOT IN ('compensating', 'compensated') OR e.external_id IS NOT NULL"],
  ['entries_reason', "e.state NOT IN ('failed', 'parked') OR e.reason IS NOT NULL"],
  ['entries_parked', "e.state <> 'parked' OR e.due_at IS NULL"],
  [
    'entries_settled',
    "e.settlement NOT IN ('done', 'dead') OR e.state IN ('succeeded', 'failed', 'compensating', 'compensated')",
  ],
  [
    'entries_settlement_due',
    "e.state NOT IN ('succeeded', 'failed') OR (e.settlement = 'due') = (e.due_at IS NOT NULL)",
  ],
]

/**
 * The twenty constraints of `entries` as one, in a function.
 *
 * PostgreSQL keeps a constraint as text and reads it anew for each statement: 26 kB, before the intent and again before
 * the outcome, were two fifths of what a lone effect cost the server. A function is read once by each connection.
 * A violation still tells the rule by its name. Nothing has to be validated: the rows met the same rules before.
 */
export const oneCheck: Migration = {
  version: 7,
  breaking: false,
  sql: (schema) => `
${checkFunction(schema, 'check_entry', RULES_7)}

ALTER TABLE ${schema}.entries
  ${RULES_7.map(([name]) => `DROP CONSTRAINT ${name},`).join('\n  ')}
  ADD CONSTRAINT entries_rules CHECK (${schema}.check_entry(entries)) NOT VALID;
`,
}

/** The function that checks a row by all rules at once. */
export function checkFunction(schema: QuotedSchema, name: string, rules: readonly EntryRule[]): string {
  return `CREATE FUNCTION ${schema}.${name}(e ${schema}.entries) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $check$
DECLARE
  broken text;
BEGIN
  IF (
    ${rules.map(([, rule]) => `(${rule})`).join('\n    AND ')}
  ) IS NOT FALSE THEN
    RETURN true;
  END IF;
  broken := CASE
    ${rules.map(([name, rule]) => `WHEN NOT (${rule}) THEN '${name}'`).join('\n    ')}
  END;
  RAISE check_violation USING
    MESSAGE = format('The row of entry %s breaks the rule "%s".', e.id, broken),
    TABLE = 'entries', CONSTRAINT = broken;
END
$check$;`
}
