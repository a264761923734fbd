// A consumer in a process of its own, which kills itself where it is told to.
import { jetstream } from '@nats-io/jetstream'
import { connect as connectNats } from '@nats-io/transport-node'
import amqp from 'amqplib'
import { consumeNats } from './nats/index.js'
import { consumeRabbitMq, rabbitMq } from './rabbitmq/index.js'
import { openShop } from './shop.fixture.js'

/** What the process is told. */
export interface ConsumerPlan {
  readonly broker: 'rabbitmq' | 'nats'
  readonly url: string
  readonly database: string
  /** The queue, or the stream whose durable consumer has the same name. */
  readonly queue: string
  readonly deadLetter: string
  readonly dies: 'in its handler' | 'between commit and acknowledgement'
  readonly maxDeliveries: number
}

const plan = JSON.parse(process.argv[2] ?? '{}') as ConsumerPlan
const die = (where: ConsumerPlan['dies']): void => {
  if (plan.dies === where) process.kill(process.pid, 'SIGKILL')
}

const shop = await openShop(plan.database)
const common = {
  deadLetter: plan.deadLetter,
  maxDeliveries: plan.maxDeliveries,
  onReceived: () => die('between commit and acknowledgement'),
}
if (plan.broker === 'rabbitmq') {
  await consumeRabbitMq(
    shop.counterfoil,
    rabbitMq(() => amqp.connect(plan.url)),
    {
      ...common,
      queue: plan.queue,
      handler: async (tx, message) => {
        const placed = await shop.place(tx, message.content.toString())
        die('in its handler')
        return placed
      },
    },
  )
} else {
  const connection = await connectNats({ servers: plan.url })
  await consumeNats(shop.counterfoil, jetstream(connection), {
    ...common,
    stream: plan.queue,
    durable: plan.queue,
    handler: async (tx, message) => {
      const placed = await shop.place(tx, message.string())
      die('in its handler')
      return placed
    },
  })
}
