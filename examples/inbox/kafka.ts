import { Kafka } from 'kafkajs'
import { counterfoil, type Order, placeOrder } from './shop.js'

const kafka = new Kafka({ brokers: ['localhost:9092'] })

export async function consumeOrders(): Promise<void> {
  const consumer = kafka.consumer({ groupId: 'shop' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders' })
  await consumer.run({
    // An offset is committed only after this has resolved; after it has thrown, the message is delivered again.
    eachMessage: async ({ topic, partition, message }) => {
      const id = message.headers?.['message-id']?.toString() ?? `${partition}:${message.offset}`
      const order = JSON.parse(message.value?.toString() ?? '') as Order
      await counterfoil.receive({ source: `kafka:${topic}`, id }, (tx) => placeOrder(tx, order))
    },
  })
}
