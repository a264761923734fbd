import { ConfigurationError, type Duration, type Provider, toMs } from '../../protocol/index.js'
import { type Clock, realClock } from '../../system/index.js'
import { bytesOf, type MessageBody, madeBy } from '../message-body.js'
import type { NatsPublisher } from './publisher.js'
import { StreamWindow } from './stream.js'

/** A message to publish. Its `Nats-Msg-Id` is the effect's reference. */
export type NatsMessage = MessageBody & {
  readonly subject: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface NatsPublishOptions {
  /** The stream that takes the messages; another one that does is an error. */
  readonly stream: string
  /**
   * For how long the stream drops a second message with the same `Nats-Msg-Id`: its `duplicate_window`, or less. Default
   * 2 minutes, which is the server's own. The stream is asked whether that is true before the first call and before every
   * repeated one.
   */
  readonly duplicateWindow?: Duration
  /**
   * For how long *every* consumer drops a second message with the same `Nats-Msg-Id`: the retention of an inbox, say,
   * less the longest time that a message can wait in the stream. In doubt, the message is then published again inside
   * this window, however short the stream's own is: it arrives at least once, and takes effect once.
   */
  readonly consumersDedupeFor?: Duration
  /** Shown to people, and shared by the effects that share this server's limits. Default `nats`. */
  readonly service?: string
  /** Time, for a simulator. Default: the machine's. */
  readonly clock?: Clock
}

/** What the stream acknowledged. */
export interface NatsPublished {
  /** Stream and sequence: `ORDERS:42`. */
  readonly id: string
  readonly stream: string
  readonly seq: number
  /** An earlier call had been stored, as this very message. */
  readonly duplicate: boolean
}

/**
 * Publishing to NATS JetStream as an effect: the stream's acknowledgement is the receipt. A lost acknowledgement is
 * settled by publishing again inside the stream's window, where it answers with the first message's sequence.
 *
 * @throws {ConfigurationError} when an option makes no sense.
 */
export function natsPublish<Input>(
  publisher: NatsPublisher,
  toMessage: (input: Input) => NatsMessage,
  options: NatsPublishOptions,
): Provider<Input, NatsPublished> {
  const { stream, consumersDedupeFor, duplicateWindow = '2m', clock = realClock } = options
  if (consumersDedupeFor !== undefined && options.duplicateWindow !== undefined) {
    throw new ConfigurationError('Give duplicateWindow or consumersDedupeFor: the one that settles doubts.')
  }
  const windowMs = toMs(consumersDedupeFor ?? duplicateWindow, 'the window')
  const streamWindow = new StreamWindow(publisher, { name: stream, windowMs }, clock)
  return {
    service: options.service ?? 'nats',
    idempotencyKey: { window: windowMs },
    async execute(input, call) {
      const { subject, content, headers } = madeBy(() => partsOf(toMessage(input)))
      if (consumersDedupeFor === undefined) await streamWindow.check(call.attempt > 1)
      const { signal, reference: messageId } = call
      const sending = { subject, content, headers, messageId, stream, signal, timeoutMs: call.remainingMs() }
      const acknowledged = await publisher.publish(sending)
      const { stream: storedIn, seq, duplicate } = acknowledged
      return { id: `${storedIn}:${seq}`, stream: storedIn, seq, duplicate }
    },
    externalId: (published) => published.id,
  }
}

function partsOf(message: NatsMessage) {
  return { subject: message.subject, content: bytesOf(message), headers: message.headers ?? {} }
}
