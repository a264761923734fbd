import { micros, NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/** The first seven parameters of the statements that write a message. */
const MESSAGE = `$1::uuid, $2::smallint, $3::text, $4::text, $5::text, $6::text`
const EXPIRES_AT = `${NOW} + $7::double precision * interval '1 millisecond'`

/**
 * Takes a message for its first time, until the end of the transaction; whoever else takes it waits here.
 *
 * Parameters: $1 id, $2 shard, $3 namespace, $4 consumer, $5 source, $6 message id, $7 retention in ms. A returned row:
 * it is ours; none: it has been received.
 */
export const takeMessage: StatementFor = (schema) => ({
  name: 'counterfoil_take_message_1',
  text: `
INSERT INTO ${schema}.inbox AS i
  (id, shard, namespace, consumer, source, message_id, received_at, expires_at, begun)
VALUES (${MESSAGE}, ${NOW}, ${EXPIRES_AT}, 1)
ON CONFLICT (id) DO UPDATE SET received_at = excluded.received_at, expires_at = excluded.expires_at
WHERE i.received_at IS NULL
RETURNING i.id`,
})

/** What a received message led to. Parameters: $1 id. */
export const readMessage: StatementFor = (schema) => ({
  name: 'counterfoil_read_message_1',
  text: `
SELECT ${micros('received_at', 'i')}::text AS received_at, i.result::text AS result
FROM ${schema}.inbox AS i WHERE i.id = $1::uuid AND i.received_at IS NOT NULL`,
})

/** Parameters: $1 id, $2 the result as JSON. */
export const decideMessage: StatementFor = (schema) => ({
  name: 'counterfoil_decide_message_1',
  text: `UPDATE ${schema}.inbox SET result = $2::json WHERE id = $1::uuid AND received_at IS NOT NULL`,
})

/**
 * Counts that the handling of a redelivered message begins.
 *
 * Parameters: $1 to $7 as in `takeMessage`. A returned row: how often it was begun, and why it last failed; none: it has
 * been received.
 */
export const countRedelivery: StatementFor = (schema) => ({
  name: 'counterfoil_count_redelivery_1',
  text: `
INSERT INTO ${schema}.inbox AS i (id, shard, namespace, consumer, source, message_id, expires_at, begun)
VALUES (${MESSAGE}, ${EXPIRES_AT}, 1)
ON CONFLICT (id) DO UPDATE SET begun = i.begun + 1, expires_at = excluded.expires_at
WHERE i.received_at IS NULL
RETURNING i.begun, i.reason`,
})

/**
 * Notes why the handling of a message failed.
 *
 * Parameters: $1 to $7 as in `takeMessage`, $8 why, $9 whether it was a redelivery (where not, the count begins anew).
 * A returned row: how often it was begun, and why it failed; none: it has been received meanwhile.
 */
export const noteMessageFailure: StatementFor = (schema) => ({
  name: 'counterfoil_note_message_failure_1',
  text: `
INSERT INTO ${schema}.inbox AS i (id, shard, namespace, consumer, source, message_id, expires_at, begun, reason)
VALUES (${MESSAGE}, ${EXPIRES_AT}, 1, $8::json)
ON CONFLICT (id) DO UPDATE SET
  begun = CASE WHEN $9::boolean THEN i.begun ELSE 1 END,
  reason = excluded.reason,
  expires_at = excluded.expires_at
WHERE i.received_at IS NULL
RETURNING i.begun, i.reason`,
})

/**
 * Forgets messages whose retention is over, and passes over those that another is forgetting.
 *
 * Parameters: $1 how many of each shard at most. A returned row is an id.
 *
 * By an array of ids, of which the planner expects few: with a join, it would rather read a table of some thousands whole.
 */
export const purgeMessages: StatementFor = (schema) => ({
  name: 'counterfoil_purge_messages_1',
  text: `
WITH over AS MATERIALIZED (
  SELECT o.id FROM generate_series(0, 15) AS s (shard)
  CROSS JOIN LATERAL (
    SELECT i.id FROM ${schema}.inbox AS i
    WHERE i.shard = s.shard AND i.expires_at <= ${NOW}
    ORDER BY i.expires_at
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
  ) AS o
)
DELETE FROM ${schema}.inbox AS i WHERE i.id = ANY (ARRAY(SELECT over.id FROM over)) RETURNING i.id`,
})
