export { type RabbitMq, rabbitMq } from './connection.js'
export {
  type RabbitMqMessage,
  type RabbitMqPublished,
  type RabbitMqPublishOptions,
  rabbitMqPublish,
} from './provider.js'
export { RabbitMqPublisher, type RabbitMqSending } from './publisher.js'
