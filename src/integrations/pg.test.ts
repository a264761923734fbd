import { Client, Pool, type PoolClient } from 'pg'
import { expect, inject, test } from 'vitest'
import { ConfigurationError } from '../protocol/index.js'
import { outboxContract } from './contract.fixture.js'
import { fromPg } from './pg.js'

async function inTransaction(pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

outboxContract('an effect enqueued in a transaction of a pg client', async ({ connectionString }) => {
  const pool = new Pool({ connectionString, max: 2 })
  return {
    transaction: (body) =>
      inTransaction(pool, (client) =>
        body(fromPg(client), (id) => client.query('INSERT INTO orders VALUES ($1, 100)', [id])),
      ),
    refusals: {
      'the pool': () => fromPg(pool as never),
      nothing: () => fromPg(undefined as never),
    },
    ended: /has ended, or there was none/,
    close: () => pool.end(),
  }
})

test('a pg client without BEGIN is refused by the enqueueing', async () => {
  const client = new Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    const writing = fromPg(client).query('SELECT $1::text', ['a'])
    await expect(writing).rejects.toThrow(ConfigurationError)
    await expect(writing).rejects.toThrow(/await its BEGIN/)
  } finally {
    await client.end()
  }
})
