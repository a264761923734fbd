export {
  type NatsMessage,
  type NatsPublished,
  type NatsPublisher,
  type NatsPublisherConnectOptions,
  type NatsPublishOptions,
  natsPublish,
  natsPublisher,
} from '../../../providers/nats/index.js'
export type { ConsumerOptions, Consumption, DeadLetter } from '../options.js'
export { consumeNats, type NatsConsumerOptions } from './consumer.js'
