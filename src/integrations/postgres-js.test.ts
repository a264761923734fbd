import postgres from 'postgres'
import { outboxContract } from './contract.fixture.js'
import { fromPostgresJs } from './postgres-js.js'

outboxContract('an effect enqueued in a postgres.js transaction', async ({ connectionString }) => {
  // Whatever the application makes of columns and nulls.
  const sql = postgres(connectionString, { max: 2, transform: { ...postgres.camel, undefined: null } })
  const reserved = await sql.reserve()
  reserved.release()
  return {
    transaction: (body) =>
      sql.begin((tx) => body(fromPostgresJs(tx), (id) => tx`INSERT INTO orders ${tx({ id, cents: 100 })}`)),
    refusals: {
      'the outer sql': () => fromPostgresJs(sql as never),
      'a reserved connection': () => fromPostgresJs(reserved as never),
      nothing: () => fromPostgresJs(undefined as never),
    },
    ended: /has ended, or there was none/,
    close: () => sql.end(),
  }
})
