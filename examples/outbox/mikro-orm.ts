import { EntitySchema, MikroORM } from '@mikro-orm/postgresql'
import { fromMikroOrm } from 'counterfoil/mikro-orm'
import { chargeOrder, counterfoil, type Order } from './counterfoil.js'

const OrderEntity = new EntitySchema<Order>({
  name: 'Order',
  tableName: 'orders',
  properties: { id: { type: 'text', primary: true }, cents: { type: 'integer' } },
})
const orm = await MikroORM.init({ clientUrl: process.env.DATABASE_URL ?? '', entities: [OrderEntity] })

export async function placeOrder(order: Order): Promise<void> {
  await orm.em.fork().transactional(async (em) => {
    em.persist(em.create(OrderEntity, order))
    await counterfoil.enqueue(chargeOrder, order, { tx: fromMikroOrm(em) })
  })
}

export const close = (): Promise<void> => orm.close()
