import { NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/**
 * Finds begun entries whose holders are lost: of batches of which a lease is over, whatever is still executing becomes
 * due in its own right, when its own lease is over, and the batches are gone.
 *
 * Parameters: $1 how many batches at most. A returned row is the id of an entry that has become due.
 *
 * It marks every executing entry of such a batch, without a look at its lease: a mark too many costs an index entry, a
 * mark too few would lose an entry. And it waits for rows that others are writing, where a claim would skip them.
 */
export const sweepBatches: StatementFor = (schema) => ({
  name: 'counterfoil_sweep_1',
  text: `
WITH found AS MATERIALIZED (
  SELECT b.id FROM ${schema}.batches AS b WHERE b.due_at <= ${NOW} LIMIT $1::bigint FOR UPDATE SKIP LOCKED
), over AS (
  DELETE FROM ${schema}.batches AS b USING found WHERE b.id = found.id RETURNING b.ids
)
UPDATE ${schema}.entries AS e SET due_at = e.lease_until
FROM (SELECT DISTINCT unnest(over.ids) AS id FROM over) AS lost
WHERE e.id = lost.id AND e.state = 'executing' AND e.due_at IS NULL
RETURNING e.id`,
})
