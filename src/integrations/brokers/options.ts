import { ConfigurationError, type Duration, type Reason, toMs } from '../../protocol/index.js'

/** Why a message was dead-lettered. */
export interface DeadLetter extends Reason {
  /** How often its handling was begun, as far as is known. */
  readonly deliveries: number
}

/** What every consumer may be told. */
export interface ConsumerOptions<Tx, Message, Result> {
  /**
   * Does what the message asks for, in `tx`: what it writes and enqueues is committed with the message's id, once. When
   * it throws, nothing is written and the message is delivered again. Make no call to a service in it: enqueue an effect.
   */
  readonly handler: (tx: Tx, message: Message) => Promise<Result> | Result
  /** What sets apart the ids of this consumer's messages (see `receive`). The default says which queue or stream. */
  readonly source?: string
  /** Which part of the application this is, where several receive from one source (see `receive`). */
  readonly consumer?: string
  /** Messages handled at the same time, and taken from the broker in advance of none. Default 10. */
  readonly concurrency?: number
  /** How often the handling of one message is begun before it is dead-lettered. Default 5. */
  readonly maxDeliveries?: number
  /** How long a failed message waits before it is delivered again: anywhere below `first`, doubling up to `longest`. Default 1 s, up to 1 min. */
  readonly redeliveryDelay?: { readonly first: Duration; readonly longest: Duration }
  /** A message was received, now or by an earlier delivery, and will be acknowledged next. */
  readonly onReceived?: (message: Message, received: { readonly duplicate: boolean; readonly result: Result }) => void
  /** A message was dead-lettered: wake somebody. */
  readonly onDeadLetter?: (message: Message, why: DeadLetter) => void
  /** Something failed and is tried again: a handler, the broker, the journal. */
  readonly onError?: (error: unknown) => void
}

/** A consumer at work. */
export interface Consumption {
  /**
   * Takes no more messages, lets those end that are being handled, acknowledges them, and resolves. What was not begun
   * is delivered to others. The broker's connection stays open.
   */
  stop(): Promise<void>
}

/** The numbers of a consumer, checked. */
export interface ConsumerLimits {
  readonly concurrency: number
  readonly maxDeliveries: number
  readonly retryFirstMs: number
  readonly retryLongestMs: number
}

/** @throws {ConfigurationError} when an option makes no sense. */
export function limitsOf(
  options: Pick<ConsumerOptions<never, never, never>, 'concurrency' | 'maxDeliveries' | 'redeliveryDelay'>,
): ConsumerLimits {
  return {
    concurrency: countOf(options.concurrency ?? 10, 'concurrency'),
    maxDeliveries: countOf(options.maxDeliveries ?? 5, 'maxDeliveries'),
    retryFirstMs: toMs(options.redeliveryDelay?.first ?? '1s', 'redeliveryDelay.first'),
    retryLongestMs: toMs(options.redeliveryDelay?.longest ?? '1m', 'redeliveryDelay.longest'),
  }
}

function countOf(value: number, option: string): number {
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value
  throw new ConfigurationError(`${option} is ${value}: it must be a whole number from 1 to 65535.`)
}
