import type { DueFirst } from '../../../protocol/index.js'
import { ENTRY_COLUMNS, NOW, NOW_MICROS } from '../row.js'
import { expectFew, type StatementFor } from '../statement.js'

/** Whether anybody has ever held the entry at alias `e`. The index `entries_begun` finds these past any backlog. */
const BEGUN = 'e.fence > 0'
const FRESH = 'e.fence = 0'

/** Protocol `isClaimable` of the entry at alias `e`, but for the due time, which begun entries do not have. */
const FREE = `e.state IN ('pending', 'executing', 'in_doubt')
    AND (e.lease_until IS NULL OR e.lease_until <= ${NOW})`

/**
 * Whether the entry at alias `e` has its turn: always, unless it is pending and has a serializeKey. Then none of its key
 * may be executing or in doubt, and none that is pending may have been enqueued before it.
 */
function hasTurn(schema: string): string {
  return `(e.serialize_key IS NULL OR e.state <> 'pending' OR NOT EXISTS (
      SELECT FROM ${schema}.entries AS o
      WHERE o.namespace = e.namespace AND o.serialize_key = e.serialize_key AND o.due_at IS NOT NULL AND o.id <> e.id
        AND (
          o.state IN ('executing', 'in_doubt')
          OR (o.state = 'pending' AND (o.created_at, o.position, o.id) < (e.created_at, e.position, e.id))
        )
    ))`
}

/** Protocol `claim`: what changes, on the terms owner, lease_ms and timeout_ms. */
function taken(owner: string, leaseMs: string, timeoutMs: string): string {
  return `
  state = CASE e.state WHEN 'pending' THEN 'executing' ELSE 'in_doubt' END,
  fence = e.fence + 1,
  owner = ${owner},
  lease_until = ${NOW} + ${leaseMs} * interval '1 millisecond',
  due_at = ${NOW} + ${leaseMs} * interval '1 millisecond',
  attempts = CASE e.state WHEN 'pending' THEN e.attempts + 1 ELSE e.attempts END,
  first_sent_at = CASE e.state WHEN 'pending' THEN coalesce(e.first_sent_at, ${NOW}) ELSE e.first_sent_at END,
  last_deadline_at = CASE e.state
    WHEN 'pending' THEN ${NOW} + ${timeoutMs} * interval '1 millisecond'
    ELSE e.last_deadline_at
  END,
  in_doubt_since = CASE e.state WHEN 'pending' THEN e.in_doubt_since ELSE coalesce(e.in_doubt_since, ${NOW}) END,
  updated_at = ${NOW}`
}

/**
 * Takes one entry if it is claimable.
 *
 * Parameters: $1 id, $2 owner, $3 lease in ms, $4 longest call in ms.
 * A returned row is the entry as taken, and the journal's clock in microseconds; none where it could not be taken.
 */
export const claimEntry: StatementFor = (schema) => ({
  name: 'counterfoil_claim_1',
  text: `
UPDATE ${schema}.entries AS e SET ${taken('$2::text', '$3::double precision', '$4::double precision')}
WHERE e.id = $1::uuid
    AND coalesce(e.due_at, e.lease_until) <= ${NOW}
    AND ${FREE}
    AND ${hasTurn(schema)}
RETURNING ${ENTRY_COLUMNS}, ${NOW_MICROS}`,
})

/** Entries of one of the two kinds that have their turn, in `heads`' terms. */
function headPart(schema: string, kind: string, begun: string): string {
  return `SELECT e.id, e.serialize_key, e.due_at, ${begun} AS begun
  FROM ${schema}.entries AS e
  WHERE e.namespace = t.namespace AND e.effect = t.effect
    AND ${kind}
    AND e.due_at <= ${NOW}
    AND e.serialize_key IS NOT NULL
    AND ${FREE}
    AND ${hasTurn(schema)}
  ORDER BY e.due_at
  LIMIT $3::bigint`
}

/**
 * Entries with a serializeKey that could be claimed now: begun ones first, then the longest due. It takes nothing and locks nothing.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect; $3 how many at most.
 * A returned row is an entry: id, namespace, effect, serialize_key.
 */
export const headEntries: StatementFor = (schema) => ({
  name: 'counterfoil_heads_1',
  text: `
SELECT d.id, t.namespace, t.effect, d.serialize_key
FROM unnest($1::text[], $2::text[]) AS t (namespace, effect)
CROSS JOIN LATERAL (
  (${headPart(schema, BEGUN, 'true')})
  UNION ALL
  (${headPart(schema, FRESH, 'false')})
) AS d
ORDER BY d.begun DESC, d.due_at
LIMIT $3::bigint`,
})

/** Up to `limit` free due entries of one of the two kinds, locked, in `claimDue`'s terms. */
function duePart(schema: string, kind: string, limit: string): string {
  return `SELECT d.id, t.owner, t.lease_ms, t.timeout_ms, t.place
  FROM unnest($1::text[], $2::text[], $3::text[], $4::double precision[], $5::double precision[]) WITH ORDINALITY
    AS t (namespace, effect, owner, lease_ms, timeout_ms, place)
  CROSS JOIN LATERAL (
    SELECT e.id, e.due_at
    FROM ${schema}.entries AS e
    WHERE e.namespace = t.namespace AND e.effect = t.effect
    AND ${kind}
    AND e.due_at <= ${NOW}
    AND e.serialize_key IS NULL
    AND ${FREE}
    ORDER BY e.due_at
    LIMIT ${limit}
    FOR UPDATE SKIP LOCKED
  ) AS d
  WHERE ${expectFew('t.place')}
  ORDER BY d.due_at
  LIMIT ${limit}`
}

/**
 * Takes claimable entries, skipping those that others are taking: first what has been begun (a doubt, a lost call, another
 * try), then what has not, in each the longest due. A backlog of new effects must not keep a doubt waiting until its key
 * has expired. A begun entry whose holder is lost is among them once its batch has been swept.
 *
 * Parameters: arrays of one length $1 namespace, $2 effect, $3 owner, $4 lease in ms, $5 longest call in ms; $6 how many
 * entries at most.
 * A returned row is an entry as taken, and the journal's clock in microseconds.
 *
 * Each effect is asked for on its own, so that an effect which nobody here knows costs nothing, however many of its
 * entries are due. A CTE with the limit inside, so that the planner cannot take more than that. Few effects and few due
 * entries are expected, so that a prepared statement is planned once and for all: planning it anew takes longer than
 * all the rest of a look (measured: 1.4 ms instead of 0.3 for one that finds nothing).
 */
export const claimDueEntries: StatementFor = (schema) => ({
  name: 'counterfoil_claim_due_2',
  text: claimDueText(schema, 'begun', 'fresh'),
})

/** The same, with those first that nobody has begun. */
export const claimFreshEntries: StatementFor = (schema) => ({
  name: 'counterfoil_claim_fresh_1',
  text: claimDueText(schema, 'fresh', 'begun'),
})

function claimDueText(schema: string, first: DueFirst, then: DueFirst): string {
  const kinds = { begun: BEGUN, fresh: FRESH }
  return `
WITH ${first} AS MATERIALIZED (
  ${duePart(schema, kinds[first], '$6::bigint')}
), ${then} AS MATERIALIZED (
  ${duePart(schema, kinds[then], `(SELECT $6::bigint - count(*) FROM ${first})`)}
), due AS MATERIALIZED (
  SELECT * FROM ${first} UNION ALL SELECT * FROM ${then}
)
UPDATE ${schema}.entries AS e SET ${taken('due.owner', 'due.lease_ms', 'due.timeout_ms')}
FROM due
WHERE e.id = due.id AND ${expectFew('due.place')}
RETURNING ${ENTRY_COLUMNS}, ${NOW_MICROS}`
}
