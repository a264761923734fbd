import { connect } from '@nats-io/transport-node'
import { defineEffect } from 'counterfoil'
import { natsPublish, natsPublisher } from 'counterfoil/nats'
import { rabbitMqPublish } from 'counterfoil/rabbitmq'
import { rabbit } from './rabbitmq.js'
import type { Order } from './shop.js'

export const nats = natsPublisher((options) => connect({ servers: process.env.NATS_URL ?? 'localhost', ...options }))

export const announceOnNats = defineEffect({
  name: 'announce-on-nats',
  key: (order: Order) => order.id,
  provider: natsPublish(nats, (order: Order) => ({ subject: 'orders.placed', json: order }), { stream: 'ORDERS' }),
})

export const announceOnRabbitMq = defineEffect({
  name: 'announce-on-rabbitmq',
  key: (order: Order) => order.id,
  provider: rabbitMqPublish(rabbit, (order: Order) => ({ routingKey: 'orders', json: order }), {
    consumersDedupeFor: '7d',
  }),
})
