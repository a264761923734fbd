import { EntitySchema, MikroORM } from '@mikro-orm/postgresql'
import { outboxContract } from './contract.fixture.js'
import { fromMikroOrm } from './mikro-orm.js'

const Order = new EntitySchema<{ id: string; cents: number }>({
  name: 'Order',
  tableName: 'orders',
  properties: { id: { type: 'text', primary: true }, cents: { type: 'integer' } },
})

const connect = (clientUrl: string) => MikroORM.init({ clientUrl, entities: [Order], pool: { min: 0, max: 2 } })

outboxContract('an effect enqueued in a MikroORM transaction', async ({ connectionString }) => {
  const orm = await connect(connectionString)
  return {
    transaction: (body) =>
      orm.em.fork().transactional((em) =>
        body(fromMikroOrm(em), async (id) => {
          em.persist(em.create(Order, { id, cents: 100 }))
        }),
      ),
    refusals: {
      'an EntityManager without a transaction': () => fromMikroOrm(orm.em.fork()),
      "MikroORM's EntityManager": () => fromMikroOrm(orm.em),
      'MikroORM itself': () => fromMikroOrm(orm as never),
      nothing: () => fromMikroOrm(undefined as never),
    },
    ended: /Transaction query already complete|has ended/,
    close: () => orm.close(),
  }
})

outboxContract('an effect enqueued between begin and commit of MikroORM', async ({ connectionString }) => {
  const orm = await connect(connectionString)
  return {
    transaction: async (body) => {
      const em = orm.em.fork()
      await em.begin()
      try {
        await body(fromMikroOrm(em), (id) => em.insert(Order, { id, cents: 100 }))
        await em.commit()
      } catch (error) {
        await em.rollback()
        throw error
      }
    },
    refusals: { 'an EntityManager without a transaction': () => fromMikroOrm(orm.em.fork()) },
    ended: /Transaction query already complete|has ended/,
    close: () => orm.close(),
  }
})
