export { type NatsMessage, type NatsPublished, type NatsPublishOptions, natsPublish } from './provider.js'
export { type NatsPublisher, type NatsPublisherConnectOptions, natsPublisher } from './publisher.js'
