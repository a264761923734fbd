import { fromTypeOrm } from 'counterfoil/typeorm'
import { DataSource, EntitySchema } from 'typeorm'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const OrderEntity = new EntitySchema<Order>({
  name: 'order',
  tableName: 'orders',
  columns: { id: { type: 'text', primary: true }, cents: { type: 'integer' } },
})
const url = process.env.DATABASE_URL ?? ''
const dataSource = await new DataSource({ type: 'postgres', url, entities: [OrderEntity] }).initialize()

export async function placeOrder(order: Order): Promise<void> {
  await dataSource.transaction(async (manager) => {
    await manager.insert(OrderEntity, order)
    await counterfoil.enqueue(chargeOrder, order, { tx: fromTypeOrm(manager) })
  })
}

export const close = (): Promise<void> => dataSource.destroy()
