import {
  ConfigurationError,
  checkLeaseKey,
  checkLeaseMs,
  type Duration,
  type LeaseGrant,
  type LeaseService,
  LeaseUnavailable,
  type PurgedLeases,
  toMs,
} from '../../protocol/index.js'
import { type LeaseStatements, leaseStatements } from './sql.js'

/** What is asked of a `pg` Pool: one statement on any connection. */
export interface LeasePool {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

export interface PostgresLeaseOptions {
  /** The schema that holds the table `leases`. Default `counterfoil`. */
  readonly schema?: string
  /**
   * By how much the clocks that decide may differ: a grant that was not released is given to another only this long
   * after its expiry. Default 0, right for one PostgreSQL server. On an engine of many nodes, each with a clock of its
   * own (CockroachDB: its `--max-offset`), and where a fail-over leads to another machine: the greatest difference.
   */
  readonly clockTolerance?: Duration
}

/** Leases in rows of PostgreSQL. */
export interface PostgresLease extends LeaseService {
  /**
   * Looks at up to `limit` rows behind the key `after` (null: from the first), and deletes those that nobody has held for
   * a day. Fences still grow afterwards, unless the database's clock is set back by more than a day. `Counterfoil.start`
   * goes through all of them every hour; call it where no process runs that.
   *
   * @throws {LeaseUnavailable} the database could not be asked.
   */
  purge(limit: number, after: string | null): Promise<PurgedLeases>
}

/**
 * Leases in rows of PostgreSQL, one per key, decided by the database's clock (P3). One statement per operation and no
 * advisory lock, so it works through PgBouncer in transaction mode.
 *
 * The promise is as durable as the database's commits: with `synchronous_commit` off, or after a fail-over to an
 * asynchronous replica, a grant may be forgotten and given to another while its holder still believes in it.
 *
 * @throws {ConfigurationError} when an option makes no sense.
 */
export function postgresLease(pool: LeasePool, options: PostgresLeaseOptions = {}): PostgresLease {
  const schema = options.schema ?? 'counterfoil'
  if (schema.length === 0 || schema.includes('\0'))
    throw new ConfigurationError('The schema of the leases has no name.')
  const toleranceMs = toMs(options.clockTolerance ?? 0, 'clockTolerance')
  return new RowLease(pool, leaseStatements(`"${schema.replaceAll('"', '""')}".leases`), toleranceMs)
}

class RowLease implements PostgresLease {
  readonly #pool: LeasePool
  readonly #sql: LeaseStatements
  readonly #toleranceMs: number

  constructor(pool: LeasePool, sql: LeaseStatements, toleranceMs: number) {
    this.#pool = pool
    this.#sql = sql
    this.#toleranceMs = toleranceMs
  }

  async acquire(key: string, ttlMs: number, holder: string): Promise<LeaseGrant | null> {
    checkLeaseKey(key)
    checkLeaseMs(ttlMs)
    const [row] = await this.#run(key, this.#sql.acquire, [key, holder, ttlMs, this.#toleranceMs])
    return row === undefined ? null : { key, fence: fenceOf(row), holder }
  }

  async renew(grant: LeaseGrant, ttlMs: number): Promise<boolean> {
    checkLeaseMs(ttlMs)
    const rows = await this.#run(grant.key, this.#sql.renew, [grant.key, grant.holder, grant.fence, ttlMs])
    return rows.length === 1
  }

  async release(grant: Pick<LeaseGrant, 'key' | 'holder'>): Promise<void> {
    await this.#run(grant.key, this.#sql.release, [grant.key, grant.holder])
  }

  async purge(limit: number, after: string | null): Promise<PurgedLeases> {
    // No key is empty, so that all are behind the empty one.
    const [row] = await this.#run('*', this.#sql.purge, [limit, after ?? ''])
    return purgedOf(row, limit)
  }

  async #run(key: string, statement: string, values: unknown[]): Promise<readonly unknown[]> {
    for (let tries = 1; ; tries++) {
      try {
        const { rows } = await this.#pool.query(statement, values)
        return rows
      } catch (cause) {
        if (!isContention(cause) || tries === CONTENTION_TRIES) throw unavailable(key, cause)
      }
    }
  }
}

// As text, since a driver may not give a bigint as a number; ours stays below 2^53 until the year 2255.
function fenceOf(row: unknown): number {
  const fence = typeof row === 'object' && row !== null && 'fence' in row ? Number(row.fence) : Number.NaN
  if (Number.isSafeInteger(fence)) return fence
  throw new TypeError(`The lease table answered no fence but ${JSON.stringify(row)}`)
}

function purgedOf(row: unknown, limit: number): PurgedLeases {
  const { seen, purged, last } = row as { readonly seen: string; readonly purged: string; readonly last: string | null }
  return { purged: Number(purged), next: Number(seen) < limit ? null : last }
}

/** Contention undoes a statement as a whole, so the same may be sent again; more often than this it is no accident. */
const CONTENTION_TRIES = 5

// serialization_failure (also CockroachDB's way to ask for a retry), deadlock_detected
function isContention(cause: unknown): boolean {
  return ['40001', '40P01'].includes(sqlState(cause))
}

function unavailable(key: string, cause: unknown): LeaseUnavailable {
  const state = sqlState(cause)
  // None: no server answered. connection_exception, transaction_rollback, insufficient_resources, lock_not_available,
  // operator_intervention, system_error, and a standby that may not write (yet): these pass. Others do not.
  const transient = state === '' || /^(08|40|53|55|57|58|25006)/.test(state)
  const message = cause instanceof Error ? cause.message : String(cause)
  const next = transient
    ? 'Whether it was carried out is not known; a grant whose answer was lost ends by its expiry. Try again.'
    : "Mend the table or the role's rights: trying again does not help."
  return new LeaseUnavailable(key, 'unreachable', `PostgreSQL did not do it: ${message}. ${next}`, { cause, transient })
}

function sqlState(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause) || !('severity' in cause)) return ''
  return typeof cause.code === 'string' && /^[0-9A-Z]{5}$/.test(cause.code) ? cause.code : ''
}
