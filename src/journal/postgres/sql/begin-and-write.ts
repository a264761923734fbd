import { changed } from '../row.js'
import type { StatementFor } from '../statement.js'
import { beginning } from './begin.js'
import { succeeding } from './write.js'

/**
 * `beginEntries` and `writeSuccesses` in one statement and one commit: where a process does both at once, the second
 * statement's own cost, and its commit, are spared.
 *
 * Parameters: $1 to $17 as of `beginEntries`, $18 to $23 as $1 to $6 of `writeSuccesses`.
 * One row: what was created, and what was changed (`changed`).
 *
 * The entries are created first, each part in the order of its ids. Whoever waits to create one has written none of the
 * others' then, so that no two such statements wait for each other.
 */
export const beginAndSucceed: StatementFor = (schema) => ({
  name: 'counterfoil_begin_and_succeed_3',
  text: `
WITH ${beginning(schema)}, ${succeeding(schema, 18)}
SELECT (${changed('created', '$1')}) AS created, (${changed('changed', '$18')}) AS changed`,
})
