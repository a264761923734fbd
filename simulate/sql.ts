import { randomBytes } from 'node:crypto'
import { startEmbeddedPostgres } from 'counterfoil/embedded'
import { type Doubt, type LockstepSummary, lockstep } from 'counterfoil/testing'
import { Client, Pool } from 'pg'

/** Which histories to do again on PostgreSQL, and where. */
export interface OnSql {
  readonly firstSeed: number
  readonly seeds: number
  readonly doubt: Doubt | null
  /** A server on which databases may be made; null: an embedded one. */
  readonly url: string | null
}

/** Plays histories on both journals, in a database of their own. */
export async function onPostgres({ firstSeed, seeds, doubt, url }: OnSql): Promise<LockstepSummary> {
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
      return await lockstep({ firstSeed, seeds, pool, ...(doubt === null ? {} : { doubt }) })
    } finally {
      await pool.end()
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
  } finally {
    await admin.end()
    await embedded?.stop()
  }
}
