import { NOW } from '../row.js'
import type { StatementFor } from '../statement.js'

/** Protocol `isFinished` of the entry at alias `e`. */
const FINISHED = `e.state IN ('succeeded', 'failed', 'compensated') AND e.settlement IN ('none', 'done')
    AND e.lease_until IS NULL AND e.due_at IS NULL`

/** Protocol `isOlderThan` of the entry at alias `e`: null where it never is. */
function isOlder(ageMs: string): string {
  return `e.updated_at <= ${NOW} - ${ageMs}::double precision * interval '1 millisecond'`
}

/** How many blocks the table of entries has. One row. */
export const entryBlocks: StatementFor = (schema) => ({
  name: 'counterfoil_entry_blocks_1',
  text: `
SELECT pg_relation_size('${schema.replaceAll("'", "''")}.entries'::regclass) / current_setting('block_size')::bigint`,
})

/**
 * Lets the old entries of some blocks become compact, and purges those that are over, with their former generations.
 *
 * Parameters: $1 from this place and $2 up to it (ctid), $3 namespace, $4 array of effects, $5 compact after and $6 purge
 * after in ms (null: never). One row: how many became compact, and how many were purged.
 *
 * A walk over the blocks in their order, which needs PostgreSQL 14 (before it, a range of places reads the whole table).
 * Rejected: an index on the time, which every effect would pay for with its insert, and with its success, which would be
 * no heap-only update any more; a summary of page ranges (BRIN) of it, since purging makes room that new entries fill, so
 * that before long each range has all ages; a walk by ids, which are in no order on disk: then each row changed is a page
 * image of 8 kB in the log, instead of one for all the rows of a page.
 *
 * What somebody has is passed over (SKIP LOCKED). The writes go by the place of the row that is locked, without a look
 * into any index, and check again; a row that was changed and so moved since the statement began is not found, and waits
 * for the next walk. A compact row changes no indexed column and is the smaller one: such updates are heap-only.
 *
 * The undoing of an entry stays while that exists. Rows of compensations and undone are never touched: they are what
 * keeps an operation from being undone twice, also where all entries about it are gone.
 */
export const ageEntries: StatementFor = (schema) => ({
  name: 'counterfoil_age_1',
  text: `
WITH aged AS MATERIALIZED (
  SELECT e.ctid AS place, ${isOlder('$6')} AND NOT EXISTS (
      SELECT FROM ${schema}.compensations AS c JOIN ${schema}.entries AS o ON o.id = c.entry_id WHERE c.undo_id = e.id
    ) AS is_over
  FROM ${schema}.entries AS e
  WHERE e.ctid >= $1::tid AND e.ctid < $2::tid
    AND e.namespace = $3::text AND e.effect = ANY ($4::text[])
    AND ${FINISHED}
    AND (${isOlder('$6')} OR (e.input IS NOT NULL AND ${isOlder('$5')}))
  FOR UPDATE OF e SKIP LOCKED
), purged AS (
  DELETE FROM ${schema}.entries AS e
  WHERE e.ctid = ANY (ARRAY(SELECT a.place FROM aged AS a WHERE a.is_over))
    AND ${FINISHED} AND ${isOlder('$6')}
  RETURNING e.id
), forgotten AS (
  DELETE FROM ${schema}.history AS h WHERE h.id = ANY (ARRAY(SELECT p.id FROM purged AS p))
), compacted AS (
  UPDATE ${schema}.entries AS e SET input = NULL, receipt = NULL
  WHERE e.ctid = ANY (ARRAY(SELECT a.place FROM aged AS a WHERE a.is_over IS NOT TRUE))
    AND ${FINISHED} AND e.input IS NOT NULL AND ${isOlder('$5')}
  RETURNING e.id
), earlier AS (
  UPDATE ${schema}.history AS h SET entry = (h.entry::jsonb || '{"input": null, "receipt": null}')::json
  WHERE h.id = ANY (ARRAY(SELECT c.id FROM compacted AS c))
)
SELECT (SELECT count(*) FROM compacted), (SELECT count(*) FROM purged)`,
})
