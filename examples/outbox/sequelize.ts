import { fromSequelize } from 'counterfoil/sequelize'
import { DataTypes, Sequelize } from 'sequelize'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const sequelize = new Sequelize(process.env.DATABASE_URL ?? '', { logging: false })
const OrderModel = sequelize.define(
  'order',
  { id: { type: DataTypes.TEXT, primaryKey: true }, cents: DataTypes.INTEGER },
  { tableName: 'orders', timestamps: false },
)

export async function placeOrder(order: Order): Promise<void> {
  await sequelize.transaction(async (transaction) => {
    await OrderModel.create({ ...order }, { transaction })
    await counterfoil.enqueue(chargeOrder, order, { tx: fromSequelize(transaction) })
  })
}

export const close = (): Promise<void> => sequelize.close()
