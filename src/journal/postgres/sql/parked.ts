import { ENTRY_COLUMNS } from '../row.js'
import type { StatementFor } from '../statement.js'

/**
 * Parked entries, the longest parked first.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; $3 behind this parked_at, in microseconds since the epoch, and
 * $4 behind this id where that is the same (both null: from the first); $5 how many at most. A returned row is an entry.
 */
export const parkedEntries: StatementFor = (schema) => ({
  name: 'counterfoil_parked_1',
  text: `
SELECT ${ENTRY_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS t (namespace, effect)
CROSS JOIN LATERAL (
  SELECT p.* FROM ${schema}.entries AS p
  WHERE p.namespace = t.namespace AND p.effect = t.effect AND p.parked_at IS NOT NULL AND p.state = 'parked'
    AND (p.parked_at, p.id) > (
      coalesce('epoch'::timestamptz + $3::bigint * interval '1 microsecond', '-infinity'::timestamptz),
      coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
    )
  ORDER BY p.parked_at, p.id
  LIMIT $5::bigint
) AS e
ORDER BY e.parked_at, e.id
LIMIT $5::bigint`,
})
