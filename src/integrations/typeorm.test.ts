import { DataSource, EntitySchema } from 'typeorm'
import { outboxContract } from './contract.fixture.js'
import { fromTypeOrm } from './typeorm.js'

const Order = new EntitySchema<{ id: string; cents: number }>({
  name: 'order',
  tableName: 'orders',
  columns: { id: { type: 'text', primary: true }, cents: { type: 'integer' } },
})

async function connect(url: string): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url, entities: [Order], extra: { max: 3 } }).initialize()
}

outboxContract('an effect enqueued in a TypeORM transaction', async ({ connectionString }) => {
  const dataSource = await connect(connectionString)
  return {
    transaction: (body) =>
      dataSource.transaction((manager) =>
        body(fromTypeOrm(manager), (id) => manager.insert(Order, { id, cents: 100 })),
      ),
    refusals: {
      'the DataSource': () => fromTypeOrm(dataSource as never),
      "the DataSource's manager": () => fromTypeOrm(dataSource.manager),
      nothing: () => fromTypeOrm(undefined as never),
    },
    ended: /Query runner already released/,
    close: () => dataSource.destroy(),
  }
})

outboxContract("an effect enqueued by a TypeORM QueryRunner's transaction", async ({ connectionString }) => {
  const dataSource = await connect(connectionString)
  const idle = dataSource.createQueryRunner()
  return {
    transaction: async (body) => {
      const runner = dataSource.createQueryRunner()
      await runner.startTransaction()
      try {
        await body(fromTypeOrm(runner), (id) => runner.manager.insert(Order, { id, cents: 100 }))
        await runner.commitTransaction()
      } catch (error) {
        await runner.rollbackTransaction()
        throw error
      } finally {
        await runner.release()
      }
    },
    refusals: {
      'a QueryRunner without a transaction': () => fromTypeOrm(idle),
      'its manager': () => fromTypeOrm(idle.manager),
    },
    ended: /Query runner already released/,
    close: async () => {
      await idle.release()
      await dataSource.destroy()
    },
  }
})
