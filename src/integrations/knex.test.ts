import knexOf from 'knex'
import { outboxContract } from './contract.fixture.js'
import { fromKnex } from './knex.js'

outboxContract('an effect enqueued in a Knex transaction', async ({ connectionString }) => {
  const knex = knexOf({ client: 'pg', connection: connectionString, pool: { min: 0, max: 2 } })
  return {
    transaction: (body) =>
      knex.transaction((trx) => body(fromKnex(trx), (id) => trx('orders').insert({ id, cents: 100 }))),
    refusals: {
      'the Knex instance': () => fromKnex(knex as never),
      'the provider of a transaction': () => fromKnex(knex.transactionProvider() as never),
      nothing: () => fromKnex(undefined as never),
    },
    ended: /Transaction query already complete/,
    close: () => knex.destroy(),
  }
})

outboxContract('an effect enqueued in a nested Knex transaction', async ({ connectionString }) => {
  const knex = knexOf({ client: 'pg', connection: connectionString, pool: { min: 0, max: 2 } })
  return {
    transaction: (body) =>
      knex.transaction((outer) =>
        outer.transaction((trx) => body(fromKnex(trx), (id) => outer('orders').insert({ id, cents: 100 }))),
      ),
    refusals: { 'the Knex instance': () => fromKnex(knex as never) },
    ended: /Transaction query already complete/,
    close: () => knex.destroy(),
  }
})
