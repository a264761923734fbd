import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { type Consumption, consumeNats } from 'counterfoil/nats'
import { counterfoil, type Order, placeOrder } from './shop.js'

const servers = process.env.NATS_URL ?? 'nats://localhost'
export const connection = await connect({ servers, maxReconnectAttempts: -1 })

export function consumeOrders(stream: string): Promise<Consumption> {
  return consumeNats(counterfoil, jetstream(connection), {
    stream,
    durable: 'shop',
    deadLetter: `dead.${stream}`,
    handler: (tx, message) => placeOrder(tx, message.json<Order>()),
    onDeadLetter: (message, why) => console.error(`${message.subject} ${message.seq} is dead: ${why.message}`),
  })
}
