import { checkFunction, type EntryRule } from './0007-one-check.js'
import { RULES_8 } from './0008-compact.js'
import { USUAL_ROW } from './0011-usual-rows.js'
import type { Migration } from './migration.js'

/**
 * What 0008 asks of every row, and that no parked one is hidden. Not the reverse, which every usual row would have to be
 * asked for: a mark that was left behind shows nothing, since who lists asks for the state too.
 */
export const RULES_12: readonly EntryRule[] = [
  ...RULES_8,
  ['entries_parked_at', "e.state <> 'parked' OR e.parked_at IS NOT NULL"],
]

/** The names of the rules that every row of `entries` obeys. */
export const ENTRY_RULES: readonly string[] = RULES_12.map(([name]) => name)

/**
 * Where the parked entries are, among any number of others, the longest parked first: a column that parking sets and
 * whatever ends it clears, and an index of the rows that have it. It is null in every row that goes well, before and
 * after, so that the index stands in the way of no heap-only update and takes no room in a row.
 *
 * Rejected: the state in the predicate, which would make every change of state an indexed one; what a parked row has
 * besides (a reason, no due time), which every rejection has too: the index would hold all declined payments there ever
 * were, and a rejection would be no heap-only update any more; the codes of the reasons, which hides what is parked for
 * a new one.
 *
 * A program that does not know this step can park nothing here: its write is refused, and the entry stays as it was.
 * The table is read twice, once to fill the index and once for what is parked, while others wait.
 */
export const parked: Migration = {
  version: 12,
  breaking: true,
  sql: (schema) => `
ALTER TABLE ${schema}.entries ADD COLUMN parked_at timestamptz;
CREATE INDEX entries_parked ON ${schema}.entries (namespace, effect, parked_at, id) WHERE parked_at IS NOT NULL;
UPDATE ${schema}.entries SET parked_at = updated_at WHERE state = 'parked';

${checkFunction(schema, 'check_entry_12', RULES_12)}

CREATE OR REPLACE FUNCTION ${schema}.check_entry_11(e ${schema}.entries) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $check$
BEGIN
  IF (${USUAL_ROW}) THEN
    RETURN true;
  END IF;
  RETURN ${schema}.check_entry_12(e);
END
$check$;
DROP FUNCTION ${schema}.check_entry_8(${schema}.entries);
`,
}
