export {
  type RabbitMq,
  type RabbitMqMessage,
  type RabbitMqPublished,
  type RabbitMqPublishOptions,
  rabbitMq,
  rabbitMqPublish,
} from '../../../providers/rabbitmq/index.js'
export type { ConsumerOptions, Consumption, DeadLetter } from '../options.js'
export { consumeRabbitMq, type RabbitMqConsumerOptions } from './consumer.js'
