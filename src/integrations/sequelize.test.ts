import { DataTypes, Sequelize } from 'sequelize'
import { outboxContract } from './contract.fixture.js'
import { fromSequelize } from './sequelize.js'

outboxContract('an effect enqueued in a Sequelize transaction', async ({ connectionString }) => {
  const sequelize = new Sequelize(connectionString, { logging: false, pool: { max: 2 } })
  const Order = sequelize.define(
    'order',
    { id: { type: DataTypes.TEXT, primaryKey: true }, cents: DataTypes.INTEGER },
    { tableName: 'orders', timestamps: false },
  )
  return {
    transaction: (body) =>
      sequelize.transaction((transaction) =>
        body(fromSequelize(transaction), (id) => Order.create({ id, cents: 100 }, { transaction })),
      ),
    refusals: {
      'the Sequelize instance': () => fromSequelize(sequelize as never),
      'a model': () => fromSequelize(Order as never),
      nothing: () => fromSequelize(undefined as never),
    },
    ended: /commit has been called on this transaction/,
    close: () => sequelize.close(),
  }
})
