import { ENTRY_COLUMNS, isBegun, isFresh, NOW, NOW_MICROS } from '../row.js'
import { expectFew, type StatementFor } from '../statement.js'

/**
 * How entries stand.
 *
 * Parameters: $1 array of ids.
 * A returned row is an entry, and the journal's clock in microseconds.
 */
export const readEntries: StatementFor = (schema) => ({
  name: 'counterfoil_read_1',
  text: `
SELECT ${ENTRY_COLUMNS}, ${NOW_MICROS}
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
JOIN ${schema}.entries AS e ON e.id = asked.id
WHERE ${expectFew('asked.place')}`,
})

/**
 * Asks for a wake-up at the next change of entries that are not at rest and that nobody has asked for yet. Read them
 * after it, not before: what changes between would wake nobody.
 *
 * Parameters: $1 array of ids.
 * A returned row is an entry that is awaited from now on, and the journal's clock in microseconds.
 */
export const awaitEntries: StatementFor = (schema) => ({
  name: 'counterfoil_await_1',
  text: `
UPDATE ${schema}.entries AS e SET awaited = true
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
WHERE e.id = asked.id AND ${expectFew('asked.place')} AND NOT e.awaited
  AND e.state IN ('pending', 'executing', 'in_doubt', 'compensating')
RETURNING ${ENTRY_COLUMNS}, ${NOW_MICROS}`,
})

/**
 * Fingerprints of an entry's former generations, the first first.
 *
 * Parameters: $1 id. A returned row is a fingerprint.
 */
export const earlierFingerprints: StatementFor = (schema) => ({
  name: 'counterfoil_earlier_fingerprints_1',
  text: `SELECT h.fingerprint FROM ${schema}.history AS h WHERE h.id = $1::uuid ORDER BY h.generation`,
})

/** The first due time of an effect's entries of one kind, by one look at the index. */
function firstDue(schema: string, kind: string): string {
  return `SELECT e.due_at FROM ${schema}.entries AS e
      WHERE e.namespace = t.namespace AND e.effect = t.effect AND ${kind} AND e.due_at IS NOT NULL
      ORDER BY e.due_at LIMIT 1`
}

/**
 * Microseconds until an entry of these effects may be due, as work or for its `settled` handler. Never too late; it may
 * be too early, by a batch whose entries have come to an end or belong to other effects.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect.
 * One row: microseconds from now, below 0 where it is overdue, null where none is due at all.
 */
export const nextDue: StatementFor = (schema) => ({
  name: 'counterfoil_next_due_3',
  text: `
SELECT (extract(epoch FROM min(d.due_at) - ${NOW}) * 1000000)::bigint
FROM (
  SELECT first.due_at
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (namespace, effect, place)
  CROSS JOIN LATERAL (
    (${firstDue(schema, isBegun('e'))}) UNION ALL (${firstDue(schema, isFresh('e'))})
  ) AS first
  WHERE ${expectFew('t.place')}
  UNION ALL
  SELECT min(b.due_at) FROM ${schema}.batches AS b
) AS d`,
})
