import { type Client, Pool } from 'pg'
import { describe } from 'vitest'
import { outboxContract } from './contract.fixture.js'
import { fromPg, type PgTransaction } from './pg.js'

async function inTransaction(pool: Pool, work: (client: Client) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client as unknown as Client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

/** A client of a pg that cannot tell whether a transaction is open. */
function older(client: PgTransaction): PgTransaction {
  return { query: client.query.bind(client) as PgTransaction['query'] }
}

describe.each([
  ['of today', (client: PgTransaction) => client],
  ['that cannot tell its transaction', older],
])('pg %s', (version, as) => {
  outboxContract(`an effect enqueued in a transaction of a pg client ${version}`, async ({ connectionString }) => {
    const pool = new Pool({ connectionString, max: 2 })
    return {
      transaction: (body) =>
        inTransaction(pool, (client) =>
          body(fromPg(as(client)), (id) => client.query('INSERT INTO orders VALUES ($1, 100)', [id])),
        ),
      refusals: {
        'the pool': () => fromPg(pool as never),
        nothing: () => fromPg(undefined as never),
      },
      ended: /no transaction open/,
      close: () => pool.end(),
    }
  })
})
