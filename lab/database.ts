import pg from 'pg'

/** Runs `work` in a transaction, which it commits, or rolls back if anything throws. */
export async function inTransaction<T>(pool: pg.Pool, work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  const onError = (error: Error): void => {
    broken = error
  }
  // A server that goes away while nothing is being asked tells the connection, and an unheard error ends the process.
  client.on('error', onError)
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((second: Error) => {
      broken ??= second
    })
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

/**
 * A pool that survives a restart of its server: it drops dead connections instead of ending the process. Idle ones it
 * keeps: to open one costs more than all that a cell does on it.
 */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, connectionTimeoutMillis: 10_000, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  return pool
}
