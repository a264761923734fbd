import amqp from 'amqplib'
import { type Consumption, consumeRabbitMq, rabbitMq } from 'counterfoil/rabbitmq'
import { counterfoil, type Order, placeOrder } from './shop.js'

export const rabbit = rabbitMq(() => amqp.connect(process.env.RABBITMQ_URL ?? 'amqp://localhost'))

export function consumeOrders(queue: string): Promise<Consumption> {
  return consumeRabbitMq(counterfoil, rabbit, {
    queue,
    deadLetter: `${queue}.dead`,
    handler: (tx, message) => placeOrder(tx, JSON.parse(message.content.toString()) as Order),
    onDeadLetter: (message, why) => console.error(`${message.properties.messageId} is dead: ${why.message}`),
  })
}
