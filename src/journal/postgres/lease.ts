import { type PostgresLease, postgresLease } from '../../lease/postgres/index.js'
import type { PostgresPool } from './client.js'

/** Leases in the journal's own schema, which is brought up to date before the first one is asked for. */
export function leasesBeside(pool: PostgresPool, schema: string, prepare: () => Promise<unknown>): PostgresLease {
  const rows = postgresLease({ query: (text, values) => pool.query({ text, values }) }, { schema })
  return {
    acquire: async (key, ttlMs, holder) => {
      await prepare()
      return rows.acquire(key, ttlMs, holder)
    },
    renew: (grant, ttlMs) => rows.renew(grant, ttlMs),
    release: (grant) => rows.release(grant),
    purge: async (limit, after) => {
      await prepare()
      return rows.purge(limit, after)
    },
  }
}
