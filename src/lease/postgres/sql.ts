/**
 * The statements of the PostgreSQL lease, for one schema. Each is one statement and its own transaction, so that a
 * pooler in transaction mode and engines that only speak PostgreSQL's protocol run them alike.
 *
 *     leases (key text PRIMARY KEY, fence bigint, holder text, leased_until timestamptz)
 *
 * `holder` and `leased_until` are null while nobody holds the lease; the row stays, for its fence.
 *
 * Fences: a grant's fence is the greater of (the row's last fence + 1) and the microseconds of the Unix epoch. Within
 * a row the first makes it grow whatever the clock does. Once a row is purged the second takes over: purge deletes only
 * rows whose fence lies a day behind the clock, so a new row starts above it unless the clock is set back by a day.
 * (A floor kept for the whole table would be written by each purge and read by each insert, from a snapshot that may
 * be older than the purge: it would have to lock. A sequence would be a hot spot, and can be reset.)
 *
 * `clock_timestamp()`, not `now()`: a statement may have waited for a row, and the time it began at is then past.
 */
export interface LeaseStatements {
  readonly acquire: string
  readonly renew: string
  readonly release: string
  readonly purge: string
}

const NOW = 'clock_timestamp()'

function micros(time: string): string {
  return `floor(extract(epoch FROM ${time}) * 1000000)::bigint`
}

function ms(parameter: string): string {
  return `${parameter}::float8 * interval '1 millisecond'`
}

const IDLE_FOR_A_DAY = `fence < ${micros(`${NOW} - interval '1 day'`)}
        AND (leased_until IS NULL OR leased_until < ${NOW} - interval '1 day')`

/** @param table the qualified, quoted name. */
export function leaseStatements(table: string): LeaseStatements {
  return {
    // $1 key, $2 holder, $3 ttl in ms, $4 clock tolerance in ms. A row: granted, with this fence. None: another holds it.
    // The first condition only reads: a waiter that asks in vain writes and locks nothing. The last one, on the row as
    // it is once it is locked, decides.
    acquire: `
      INSERT INTO ${table} AS lease (key, fence, holder, leased_until)
      SELECT $1::text, ${micros(NOW)}, $2::text, ${NOW} + ${ms('$3')}
      WHERE NOT EXISTS (
        SELECT 1 FROM ${table} AS other
        WHERE other.key = $1::text AND other.holder <> $2::text AND other.leased_until + ${ms('$4')} > ${NOW}
      )
      ON CONFLICT (key) DO UPDATE SET
        fence = CASE
          WHEN lease.holder = excluded.holder AND lease.leased_until > ${NOW} THEN lease.fence
          ELSE greatest(lease.fence + 1, excluded.fence)
        END,
        holder = excluded.holder,
        leased_until = greatest(
          CASE WHEN lease.holder = excluded.holder THEN lease.leased_until END,
          ${NOW} + ${ms('$3')}
        )
      WHERE lease.holder IS NULL
        OR lease.leased_until + ${ms('$4')} <= ${NOW}
        OR lease.holder = excluded.holder
      RETURNING fence::text AS fence`,

    // $1 key, $2 holder, $3 fence, $4 ttl in ms. A row: renewed. None: the grant is over.
    renew: `
      UPDATE ${table} SET leased_until = greatest(leased_until, ${NOW} + ${ms('$4')})
      WHERE key = $1::text AND holder = $2::text AND fence = $3::bigint AND leased_until > ${NOW}
      RETURNING fence::text AS fence`,

    // $1 key, $2 holder.
    release: `
      UPDATE ${table} SET holder = NULL, leased_until = NULL
      WHERE key = $1::text AND holder = $2::text`,

    // $1 rows to look at, at most, $2 the key behind which to begin. One row: how many were seen, the last of them, and how
    // many were deleted. By the key's index, so that a table of any size is gone through in small steps, each row once: a
    // search for idle rows alone would begin anew at the first row each time, and an index on them would be written by
    // every grant. The condition again outside, on the row as it is by then.
    purge: `
      WITH seen AS MATERIALIZED (
        SELECT key, ${IDLE_FOR_A_DAY} AS idle FROM ${table} WHERE key > $2::text ORDER BY key LIMIT $1::bigint
      ), gone AS (
        DELETE FROM ${table}
        WHERE key = ANY (ARRAY(SELECT seen.key FROM seen WHERE seen.idle)) AND ${IDLE_FOR_A_DAY}
        RETURNING key
      )
      SELECT count(*)::text AS seen, max(seen.key) AS last, (SELECT count(*) FROM gone)::text AS purged FROM seen`,
  }
}
