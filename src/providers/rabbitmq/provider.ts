import type { Options } from 'amqplib'
import { type Duration, type Provider, toMs } from '../../protocol/index.js'
import { bytesOf, type MessageBody, madeBy } from '../message-body.js'
import type { RabbitMq } from './connection.js'
import { RabbitMqPublisher } from './publisher.js'

/** A message to publish. `messageId` is the effect's reference, `mandatory` is always set. */
export type RabbitMqMessage = MessageBody & {
  /** Default `''`: the default exchange, where the routing key names the queue. */
  readonly exchange?: string
  readonly routingKey: string
  /** AMQP properties and headers. `persistent` is true by default. */
  readonly options?: Omit<Options.Publish, 'messageId' | 'mandatory' | 'immediate'>
}

export interface RabbitMqPublishOptions {
  /** Shown to people, and shared by the effects that share this broker's limits. Default `rabbitmq`. */
  readonly service?: string
  /**
   * For how long *every* consumer of the message drops a second one with the same `messageId`: the retention of an inbox,
   * say, less the longest time that a message can wait in a queue. When a confirm was lost, the message is then published
   * again inside this window: it arrives at least once, and takes effect once.
   *
   * Default: none. RabbitMQ drops no duplicates by itself, so a message whose confirm was lost is parked for a person.
   */
  readonly consumersDedupeFor?: Duration
}

/** What RabbitMQ confirmed. */
export interface RabbitMqPublished {
  /** The message's id: the effect's reference. */
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
}

/**
 * Publishing to RabbitMQ as an effect: executed when the broker has confirmed the message, rejected when no queue takes
 * it. RabbitMQ has no memory of what was published: a lost confirm is a doubt that only consumers can settle
 * (`consumersDedupeFor`), or a person.
 *
 * @throws {ConfigurationError} when an option makes no sense.
 */
export function rabbitMqPublish<Input>(
  rabbit: RabbitMq,
  toMessage: (input: Input) => RabbitMqMessage,
  options: RabbitMqPublishOptions = {},
): Provider<Input, RabbitMqPublished> {
  const { consumersDedupeFor } = options
  if (consumersDedupeFor !== undefined) toMs(consumersDedupeFor, 'consumersDedupeFor')
  const publisher = new RabbitMqPublisher(rabbit)
  const base = {
    service: options.service ?? 'rabbitmq',
    async execute(input: Input, call: { readonly reference: string; readonly signal: AbortSignal }) {
      const { sending, exchange, routingKey } = madeBy(() => sendingOf(toMessage(input), call.reference))
      await publisher.publish(sending, call.signal)
      return { id: call.reference, exchange, routingKey }
    },
    externalId: (published: RabbitMqPublished) => published.id,
  }
  return consumersDedupeFor === undefined
    ? { ...base, inDoubt: 'park' }
    : { ...base, idempotencyKey: { window: consumersDedupeFor } }
}

function sendingOf(message: RabbitMqMessage, messageId: string) {
  const { exchange = '', routingKey } = message
  const type = 'json' in message ? { contentType: 'application/json' } : {}
  const options = { persistent: true, ...type, ...message.options, messageId }
  const content = Buffer.from(bytesOf(message))
  return { sending: { exchange, routingKey, content, options }, exchange, routingKey }
}
