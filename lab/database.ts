import pg from 'pg'

/**
 * A pool that survives a restart of its server: it drops dead connections instead of ending the process. Idle ones it
 * keeps: to open one costs more than all that a cell does on it.
 */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, connectionTimeoutMillis: 10_000, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  return pool
}
