import { ENTRY_COLUMNS, NOW, NOW_MICROS } from '../row.js'
import type { StatementFor } from '../statement.js'

/**
 * Begins the next generation of an entry that is known not to have taken effect (protocol `isRenewable`, P6), claimed
 * at once for its first call (or waiting for its turn, with a serializeKey), and keeps the old row whole in the history. The fence goes on from the old one.
 *
 * Parameters: $1 id, $2 the new generation, $3 reference, $4 input (JSON), $5 fingerprint, $6 serialize_key,
 * $7 group_key, $8 whether it has a `settled` handler, $9 owner, $10 lease in ms, $11 longest call in ms.
 * A returned row is the entry in its new generation, and the journal's clock in microseconds; none where it may not begin.
 */
export const renewEntry: StatementFor = (schema) => ({
  name: 'counterfoil_renew_2',
  text: `
WITH old AS MATERIALIZED (
  SELECT e.* FROM ${schema}.entries AS e
  WHERE e.id = $1::uuid AND e.generation = $2::integer - 1
    AND (
      (e.state = 'failed' AND e.settlement <> 'due' AND e.forced_by IS NULL)
      OR (e.state = 'parked' AND e.in_doubt_since IS NULL)
    )
  FOR UPDATE
), kept AS (
  INSERT INTO ${schema}.history (id, generation, fingerprint, ended_at, entry)
  SELECT old.id, old.generation, old.fingerprint, ${NOW}, row_to_json(old) FROM old
)
UPDATE ${schema}.entries AS e SET
  generation = $2::integer, reference = $3::text, input = $4::json, fingerprint = $5::text,
  serialize_key = $6::text, group_key = $7::text,
  state = CASE WHEN $6::text IS NULL THEN 'executing' ELSE 'pending' END,
  fence = old.fence + 1,
  owner = CASE WHEN $6::text IS NULL THEN $9::text END,
  lease_until = CASE WHEN $6::text IS NULL THEN ${NOW} + $10::double precision * interval '1 millisecond' END,
  due_at = ${NOW} + CASE WHEN $6::text IS NULL THEN $10::double precision ELSE 0 END * interval '1 millisecond',
  attempts = CASE WHEN $6::text IS NULL THEN 1 ELSE 0 END, find_failures = 0, position = 0,
  first_sent_at = CASE WHEN $6::text IS NULL THEN ${NOW} END,
  last_deadline_at = CASE WHEN $6::text IS NULL THEN ${NOW} + $11::double precision * interval '1 millisecond' END,
  in_doubt_since = NULL, parked_at = NULL, key_spent = false, receipt = NULL, external_id = NULL, reason = NULL, forced_by = NULL,
  settlement = CASE WHEN $8::boolean THEN 'due' ELSE 'none' END,
  settlement_attempts = 0,
  created_at = ${NOW}, updated_at = ${NOW}
FROM old
WHERE e.id = old.id
RETURNING ${ENTRY_COLUMNS}, ${NOW_MICROS}`,
})
