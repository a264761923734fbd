import type { Consumer, ConsumerInfo, ConsumerMessages, JetStreamClient, JsMsg, StreamInfo } from '@nats-io/jetstream'
import type { MsgHdrs } from '@nats-io/nats-core'
import type { Counterfoil } from '../../../engine/index.js'
import { ConfigurationError, reasonOfError } from '../../../protocol/index.js'
import { type Delivery, Handling } from '../handling.js'
import { type ConsumerOptions, type Consumption, type DeadLetter, limitsOf } from '../options.js'
import { isOfFilter } from './subjects.js'

export interface NatsConsumerOptions<Tx, Result> extends ConsumerOptions<Tx, JsMsg, Result> {
  readonly stream: string
  /** The durable pull consumer; it must exist, with explicit acknowledgement and unlimited deliveries. */
  readonly durable: string
  /** The subject that takes poison messages; a stream must take it, and the consumer itself must not. */
  readonly deadLetter: string
  /**
   * The message's own id. Default: its header `Nats-Msg-Id`, and without one its place in the stream, by which two
   * messages of a sender who has repeated himself are two.
   */
  readonly messageId?: (message: JsMsg) => string | undefined
}

const RECONNECT = { retryFirstMs: 100, retryLongestMs: 30_000 }
const BURIAL_TIMEOUT_MS = 30_000
const NANOS_PER_MS = 1_000_000

/** How long a request for messages stands when none come. */
const PULL_MS = 5_000

/**
 * Receives the messages of a durable JetStream consumer, each once, and acknowledges each after the commit that received
 * it. One that keeps failing is put on the subject `deadLetter`, acknowledged by its stream, before it is acknowledged
 * itself. The server is told that a message is being worked on, so that `ack_wait` may be short.
 *
 * Your connection reconnects by itself (`maxReconnectAttempts: -1`); the consumer goes on when it does. Resolves when the
 * stream and the consumer have been found.
 *
 * @throws {ConfigurationError} one of them does not exist or could lose messages, or an option makes no sense.
 */
export async function consumeNats<Tx, Result>(
  counterfoil: Counterfoil<Tx>,
  js: JetStreamClient,
  options: NatsConsumerOptions<Tx, Result>,
): Promise<Consumption> {
  const limits = limitsOf(options)
  const found = await find(js, options)
  const { headers } = await import('@nats-io/nats-core')
  const handling = new Handling(counterfoil, {
    ...options,
    source: options.source ?? `nats:${options.stream}`,
    consumer: options.consumer ?? options.durable,
    limits,
  })
  const consumer = new NatsConsumer(js, options, { ...found, handling, newHeaders: () => headers() })
  consumer.start()
  return { stop: () => consumer.stop() }
}

interface Found {
  readonly consumer: Consumer
  readonly info: ConsumerInfo
  /** When the stream came into being: a new one of the same name counts from 1 again. */
  readonly streamCreated: string
}

async function find(
  js: JetStreamClient,
  { stream, durable, deadLetter }: { readonly stream: string; readonly durable: string; readonly deadLetter: string },
): Promise<Found> {
  const manager = await js.jetstreamManager(false)
  const ask = async <T>(asked: Promise<T>, what: string): Promise<T> =>
    asked.catch((cause: unknown) => {
      throw new ConfigurationError(`${what}: ${reasonOfError(cause).message}. Create it before consuming.`, { cause })
    })
  const streamInfo: StreamInfo = await ask(manager.streams.info(stream), `The stream ${stream} cannot be used`)
  const consumer = await ask(js.consumers.get(stream, durable), `The consumer ${durable} cannot be used`)
  const info = await ask(consumer.info(), `The consumer ${durable} cannot be used`)
  const buriedIn = await ask(manager.streams.find(deadLetter), `No stream takes the deadLetter subject ${deadLetter}`)
  const problem = problemOf(info, stream, { buriedIn, deadLetter })
  if (problem !== null) throw new ConfigurationError(`The consumer ${durable} ${problem}`)
  return { consumer, info, streamCreated: streamInfo.created }
}

function problemOf(
  { config }: ConsumerInfo,
  stream: string,
  { buriedIn, deadLetter }: { readonly buriedIn: string; readonly deadLetter: string },
): string | null {
  if (config.deliver_subject !== undefined) return 'is a push consumer: give a pull consumer.'
  if (config.ack_policy !== 'explicit') {
    return `acknowledges messages by ${config.ack_policy}: give one with ack_policy explicit.`
  }
  if (config.max_deliver !== undefined && config.max_deliver > 0) {
    return `loses a message after ${config.max_deliver} deliveries: give one without max_deliver, maxDeliveries buries it.`
  }
  const one = config.filter_subject === undefined || config.filter_subject === '' ? [] : [config.filter_subject]
  const filters = config.filter_subjects ?? one
  const takesAll = filters.length === 0
  if (buriedIn === stream && (takesAll || filters.some((filter) => isOfFilter(deadLetter, filter)))) {
    return `would receive its own dead letters: give a deadLetter subject that it does not take.`
  }
  return null
}

class NatsConsumer<Tx, Result> {
  readonly #js: JetStreamClient
  readonly #options: NatsConsumerOptions<Tx, Result>
  readonly #at: Found & { readonly handling: Handling<Tx, JsMsg, Result>; readonly newHeaders: () => MsgHdrs }
  #pulled: ConsumerMessages | null = null
  #running: Promise<void> = Promise.resolve()

  constructor(
    js: JetStreamClient,
    options: NatsConsumerOptions<Tx, Result>,
    at: Found & { readonly handling: Handling<Tx, JsMsg, Result>; readonly newHeaders: () => MsgHdrs },
  ) {
    this.#js = js
    this.#options = options
    this.#at = at
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Asks for as many messages as can be begun: none waits here while its time at the server runs. */
  async #run(): Promise<void> {
    const { handling, consumer } = this.#at
    let failures = 0
    while (!handling.stopping.aborted) {
      const free = await handling.free()
      if (handling.stopping.aborted) return
      try {
        this.#pulled = await consumer.fetch({ max_messages: free, expires: PULL_MS })
        if (handling.stopping.aborted) this.#pulled.stop()
        for await (const message of this.#pulled) void handling.handle(this.#deliveryOf(message))
        failures = 0
      } catch (error) {
        failures++
        handling.report(error)
        await handling.clock.sleep(handling.backoffMs(failures, RECONNECT), handling.stopping)
      }
    }
  }

  async stop(): Promise<void> {
    const stopped = this.#at.handling.stop()
    this.#pulled?.stop()
    await this.#running
    await stopped
    // What was begun between the two.
    await this.#at.handling.stop()
  }

  #deliveryOf(message: JsMsg): Delivery<JsMsg> {
    const { messageId } = this.#options
    const place = `${this.#at.streamCreated} ${message.seq}`
    return {
      message,
      id: messageId === undefined ? message.headers?.get('Nats-Msg-Id') || place : messageId(message),
      redelivered: message.redelivered,
      acknowledge: () => message.ack(),
      giveBack: async (delayMs, signal) => message.nak(signal.aborted ? undefined : delayMs),
      bury: async (why) => {
        await this.#bury(message, why)
        message.ack()
      },
      ended: this.#keepAlive(message),
    }
  }

  /** Tells the server that the message is being worked on, until the returned function is called. */
  #keepAlive(message: JsMsg): () => void {
    const { handling, info } = this.#at
    const waits = [info.config.ack_wait ?? 30_000 * NANOS_PER_MS, ...(info.config.backoff ?? [])]
    const everyMs = Math.max(100, Math.min(...waits) / NANOS_PER_MS / 3)
    const over = new AbortController()
    const keep = async (): Promise<void> => {
      for (;;) {
        await handling.clock.sleep(everyMs, over.signal)
        if (over.signal.aborted) return
        message.working()
      }
    }
    void keep().catch((error: unknown) => handling.report(error))
    return () => over.abort()
  }

  async #bury(message: JsMsg, why: DeadLetter): Promise<void> {
    const { stream, durable, deadLetter } = this.#options
    await this.#js.publish(deadLetter, message.data, {
      // Buried twice, it is one dead letter, inside the window of their stream.
      msgID: `dead ${stream} ${durable} ${this.#at.streamCreated} ${message.seq}`,
      headers: buriedHeaders(message, { stream, durable }, why, this.#at.newHeaders()),
      timeout: BURIAL_TIMEOUT_MS,
      retries: 1,
    })
  }
}

function buriedHeaders(
  message: JsMsg,
  { stream, durable }: { readonly stream: string; readonly durable: string },
  why: DeadLetter,
  headers: MsgHdrs,
): MsgHdrs {
  for (const name of message.headers?.keys() ?? []) {
    // The server's own: they would make it act, or refuse.
    if (name.startsWith('Nats-')) continue
    for (const value of message.headers?.values(name) ?? []) headers.append(name, value)
  }
  const messageId = message.headers?.get('Nats-Msg-Id') ?? ''
  if (messageId !== '') headers.set('Counterfoil-Message-Id', messageId)
  headers.set('Counterfoil-Code', inOneLine(why.code))
  headers.set('Counterfoil-Reason', inOneLine(why.message))
  headers.set('Counterfoil-Deliveries', String(why.deliveries))
  headers.set('Counterfoil-Stream', stream)
  headers.set('Counterfoil-Consumer', durable)
  headers.set('Counterfoil-Subject', message.subject)
  headers.set('Counterfoil-Sequence', String(message.seq))
  return headers
}

const LONGEST_HEADER = 2_000

function inOneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').slice(0, LONGEST_HEADER)
}
