import type pg from 'pg'

/** Runs `work` in a transaction of the pool, which it commits, or rolls back if anything throws. */
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
