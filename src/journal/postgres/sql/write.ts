import { changed, changedOne, NOW, parkedAt } from '../row.js'
import { expectFew, type QuotedSchema, type StatementFor } from '../statement.js'
import { vouchedIf } from './vouched.js'

/** Wakes whoever waits for the entry at alias `e`. */
function told(channel: string): string {
  return `CASE WHEN e.awaited THEN pg_notify(${channel}, e.id::text)::text END`
}

/**
 * Writes holders' changes, each under its claim (protocol `isHeldBy` and `enact`, P2), and wakes whoever waits for one of them.
 *
 * Parameters, arrays of one length, ids distinct: $1 id, $2 fence, $3 state, $4 lease from now in ms (null: released),
 * $5 due from now in ms (null: not), $6 longest call from now in ms (null: none starts), $7 the last call is over,
 * $8 doubt (keep, begin, clear), $9 attempts, $10 find_failures, $11 key_spent, $12 receipt (JSON),
 * $13 external_id, $14 reason (JSON), $15 settlement, $16 owner; and $17, the channel to notify on.
 * One row that tells which changes took effect (`changed`); a stale one is not among them.
 *
 * NOTIFY only for entries that somebody waits for: a transaction that notifies holds a lock on the whole server's queue
 * while it commits, so that commits go one after another.
 */
export const writeChanges: StatementFor = (schema) => ({
  name: 'counterfoil_write_7',
  text: `
WITH changed AS (
  UPDATE ${schema}.entries AS e SET
    state = w.state,
    owner = CASE WHEN w.lease_ms IS NULL THEN NULL ELSE e.owner END,
    lease_until = ${NOW} + w.lease_ms * interval '1 millisecond',
    due_at = ${NOW} + w.due_ms * interval '1 millisecond',
    attempts = w.attempts,
    find_failures = w.find_failures,
    first_sent_at = CASE WHEN w.call_ms IS NULL THEN e.first_sent_at ELSE coalesce(e.first_sent_at, ${NOW}) END,
    last_deadline_at = CASE
      WHEN w.call_ms IS NOT NULL THEN greatest(e.last_deadline_at, ${NOW} + w.call_ms * interval '1 millisecond')
      WHEN w.call_over AND e.in_doubt_since IS NULL AND e.last_deadline_at IS NOT NULL
        THEN least(e.last_deadline_at, ${NOW})
      ELSE e.last_deadline_at
    END,
    in_doubt_since = CASE w.doubt
      WHEN 'clear' THEN NULL
      WHEN 'begin' THEN coalesce(e.in_doubt_since, ${NOW})
      ELSE e.in_doubt_since
    END,
    key_spent = w.key_spent,
    receipt = w.receipt,
    external_id = w.external_id,
    reason = w.reason,
    settlement = w.settlement,
    parked_at = ${parkedAt('w.state')},
    updated_at = ${NOW}
  FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::double precision[], $5::double precision[], $6::double precision[],
    $7::boolean[], $8::text[], $9::integer[], $10::integer[], $11::boolean[],
    $12::json[], $13::text[], $14::json[], $15::text[], $16::text[]
  ) AS w (
    id, fence, state, lease_ms, due_ms, call_ms, call_over, doubt, attempts, find_failures, key_spent, receipt,
    external_id, reason, settlement, owner
  )
  WHERE e.id = w.id AND e.fence = w.fence AND e.owner = w.owner AND ${expectFew('w.fence')}
  RETURNING e.id, ${told('$17')} AS told
)
${changed('changed', '$1')}`,
})

/**
 * What `writeSuccesses` sets, from a receipt and an external id. It vouches for the row, which kept the rules before: what
 * they say of one that has succeeded is set here, but for its input.
 */
function succeeded(receipt: string, externalId: string): string {
  return `
  state = 'succeeded',
  owner = NULL,
  lease_until = NULL,
  due_at = NULL,
  attempts = 1,
  find_failures = 0,
  last_deadline_at = CASE
    WHEN e.in_doubt_since IS NULL AND e.last_deadline_at IS NOT NULL THEN least(e.last_deadline_at, ${NOW})
    ELSE e.last_deadline_at
  END,
  in_doubt_since = NULL,
  key_spent = false,
  receipt = ${receipt},
  external_id = ${externalId},
  reason = NULL,
  settlement = 'none',
  vouched_at = ${vouchedIf('e.input IS NOT NULL')},
  updated_at = ${NOW}`
}

/** The part of `writeSuccesses`, of which `changed` has the ids. `first`: the number of its first parameter. */
export function succeeding(schema: QuotedSchema, first = 1): string {
  const parameter = (number: number): string => `$${first + number - 1}`
  return `changed AS (
  UPDATE ${schema}.entries AS e SET ${succeeded('w.receipt', 'w.external_id')}
  FROM unnest(
    ${parameter(1)}::uuid[], ${parameter(2)}::bigint[], ${parameter(3)}::text[], ${parameter(4)}::json[],
    ${parameter(5)}::text[]
  ) AS w (id, fence, owner, receipt, external_id)
  WHERE e.id = w.id AND e.fence = w.fence AND e.owner = w.owner AND ${expectFew('w.fence')}
  RETURNING e.id, ${told(parameter(6))} AS told
)`
}

/**
 * Writes successes at the first try, with no handler to run: the same change for each but for the receipt, and what
 * nearly every effect comes to. It sets what `writeChanges` would, and travels in a third of its columns.
 *
 * Parameters, arrays of one length, ids distinct: $1 id, $2 fence, $3 owner, $4 receipt (JSON), $5 external_id;
 * and $6, the channel to notify on.
 * One row, as of `writeChanges`.
 */
export const writeSuccesses: StatementFor = (schema) => ({
  name: 'counterfoil_succeed_6',
  text: `
WITH ${succeeding(schema)}
${changed('changed', '$1')}`,
})

/**
 * The same for one entry, as `beginEntry` is for `beginEntries`.
 *
 * Parameters: $1 id, $2 fence, $3 owner, $4 receipt (JSON), $5 external_id, $6 the channel to notify on. The row as
 * above; none where the holder is stale.
 */
export const writeSuccess: StatementFor = (schema) => ({
  name: 'counterfoil_succeed_one_4',
  text: `
UPDATE ${schema}.entries AS e SET ${succeeded('$4::json', '$5::text')}
WHERE e.id = $1::uuid AND e.fence = $2::bigint AND e.owner = $3::text
RETURNING ${changedOne(told('$6'))}`,
})
