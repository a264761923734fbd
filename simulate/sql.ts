import { randomBytes } from 'node:crypto'
import { startEmbeddedPostgres } from 'counterfoil/embedded'
import { type Difference, type Doubt, type LockstepSummary, lockstep } from 'counterfoil/testing'
import { Client, Pool } from 'pg'

/** Which histories to do again on PostgreSQL, and where. */
export interface OnSql {
  readonly firstSeed: number
  readonly seeds: number
  readonly doubt: Doubt | null
  /** A server on which databases may be made; null: an embedded one. */
  readonly url: string | null
  /** Told of each difference at once. */
  readonly told: (difference: Difference) => void
  /** No further history once it aborts. */
  readonly stopped: AbortSignal
}

/** Plays histories on both journals, in a database of their own. */
export async function onPostgres({ firstSeed, seeds, doubt, url, told, stopped }: OnSql): Promise<LockstepSummary> {
  const embedded = url === null ? await startEmbeddedPostgres() : null
  const admin = new Client({ connectionString: url ?? embedded?.connectionString })
  const name = `counterfoil_simulate_${randomBytes(6).toString('hex')}`
  try {
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    const database = new URL(url ?? embedded?.connectionString ?? '')
    database.pathname = `/${name}`
    const pool = new Pool({ connectionString: database.href })
    // Its sessions may not have ended yet when their database goes.
    pool.on('error', () => undefined)
    try {
      return await lockstep({ firstSeed, seeds, pool, told, stopped, ...(doubt === null ? {} : { doubt }) })
    } finally {
      await pool.end()
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
  } finally {
    await admin.end()
    await embedded?.stop()
  }
}
