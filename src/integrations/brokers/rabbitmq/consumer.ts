import type { Channel, ConsumeMessage, Options } from 'amqplib'
import type { Counterfoil } from '../../../engine/index.js'
import { ConfigurationError } from '../../../protocol/index.js'
import { type RabbitMq, RabbitMqPublisher } from '../../../providers/rabbitmq/index.js'
import { type Delivery, Handling } from '../handling.js'
import { type ConsumerOptions, type Consumption, type DeadLetter, limitsOf } from '../options.js'

export interface RabbitMqConsumerOptions<Tx, Result> extends ConsumerOptions<Tx, ConsumeMessage, Result> {
  /** The queue; it must exist. */
  readonly queue: string
  /** The queue that takes poison messages, through the default exchange; it must exist. */
  readonly deadLetter: string
  /** The message's own id. Default: its property `messageId`. A message without one is dead-lettered. */
  readonly messageId?: (message: ConsumeMessage) => string | undefined
}

const RECONNECT = { retryFirstMs: 100, retryLongestMs: 30_000 }
const BURIAL_TIMEOUT_MS = 30_000
const CANCEL_TIMEOUT_MS = 2_000

/**
 * Receives the messages of a RabbitMQ queue, each once, and acknowledges each after the commit that received it. One that
 * keeps failing is put into the queue `deadLetter`, confirmed, before it is acknowledged. A lost connection is made anew.
 *
 * Resolves when the queue is being consumed.
 *
 * @throws {ConfigurationError} a queue does not exist, or an option makes no sense.
 * @throws what connecting throws: only the first connection has to succeed.
 */
export async function consumeRabbitMq<Tx, Result>(
  counterfoil: Counterfoil<Tx>,
  rabbit: RabbitMq,
  options: RabbitMqConsumerOptions<Tx, Result>,
): Promise<Consumption> {
  const consumer = new RabbitMqConsumer(counterfoil, rabbit, options)
  await consumer.start()
  return { stop: () => consumer.stop() }
}

/** A channel on which the queue is consumed, until it is lost. */
interface Standing {
  readonly channel: Channel
  readonly consumerTag: string
  readonly lost: Promise<void>
}

class RabbitMqConsumer<Tx, Result> {
  readonly #rabbit: RabbitMq
  readonly #publisher: RabbitMqPublisher
  readonly #options: RabbitMqConsumerOptions<Tx, Result>
  readonly #concurrency: number
  readonly #handling: Handling<Tx, ConsumeMessage, Result>
  #standing: Standing | null = null
  #running: Promise<void> = Promise.resolve()

  constructor(counterfoil: Counterfoil<Tx>, rabbit: RabbitMq, options: RabbitMqConsumerOptions<Tx, Result>) {
    this.#rabbit = rabbit
    this.#publisher = new RabbitMqPublisher(rabbit)
    this.#options = options
    const limits = limitsOf(options)
    this.#concurrency = limits.concurrency
    this.#handling = new Handling(counterfoil, {
      ...options,
      source: options.source ?? `rabbitmq:${options.queue}`,
      consumer: options.consumer ?? 'default',
      limits,
    })
  }

  async start(): Promise<void> {
    await this.#check(this.#options.queue, 'queue')
    await this.#check(this.#options.deadLetter, 'deadLetter')
    this.#running = this.#run(await this.#consume())
  }

  async #check(queue: string, option: string): Promise<void> {
    const channel = await (await this.#rabbit.open()).createChannel()
    channel.on('error', () => undefined)
    try {
      await channel.checkQueue(queue)
    } catch (cause) {
      throw new ConfigurationError(
        `${option}: RabbitMQ has no queue ${JSON.stringify(queue)} that can be used here. Declare it before consuming.`,
        { cause },
      )
    }
    await channel.close()
  }

  async #consume(): Promise<Standing> {
    const channel = await (await this.#rabbit.open()).createChannel()
    channel.on('error', (error) => this.#handling.report(error))
    let isLost = false
    const lost = new Promise<void>((resolve) => {
      channel.once('close', () => {
        isLost = true
        resolve()
      })
    })
    await channel.prefetch(this.#concurrency)
    const { consumerTag } = await channel.consume(this.#options.queue, (message) => {
      // The broker has cancelled us: its queue was deleted, or has moved to another node.
      if (message === null) void channel.close().catch(() => undefined)
      else void this.#handling.handle(this.#deliveryOf(message, channel, () => isLost))
    })
    return { channel, consumerTag, lost }
  }

  /** Consumes until it is stopped, on one channel after another. */
  async #run(first: Standing): Promise<void> {
    for (let standing: Standing | null = first; standing !== null; standing = await this.#reopen()) {
      this.#standing = standing
      await standing.lost
      this.#standing = null
    }
  }

  /** Another channel, however long it takes; null: the consumer was stopped meanwhile. */
  async #reopen(): Promise<Standing | null> {
    const { stopping, clock } = this.#handling
    if (!stopping.aborted) {
      this.#handling.report(new Error(`The channel to the queue ${this.#options.queue} was lost; it is opened anew.`))
    }
    for (let failures = 1; !stopping.aborted; failures++) {
      await clock.sleep(this.#handling.backoffMs(failures, RECONNECT), stopping)
      try {
        const standing = await this.#consume()
        if (stopping.aborted) await standing.channel.close().catch(() => undefined)
        return standing
      } catch (error) {
        this.#handling.report(error)
      }
    }
    return null
  }

  async stop(): Promise<void> {
    const standing = this.#standing
    if (standing !== null) await this.#orLost(standing, standing.channel.cancel(standing.consumerTag))
    await this.#handling.stop()
    // Closing sends what was acknowledged before.
    if (standing !== null) await this.#orLost(standing, standing.channel.close())
    await this.#running
  }

  /** A broker that is gone says nothing any more. */
  async #orLost({ lost }: Standing, asked: Promise<unknown>): Promise<void> {
    const over = new AbortController()
    const tooLong = this.#handling.clock.sleep(CANCEL_TIMEOUT_MS, over.signal)
    await Promise.race([asked.catch(() => undefined), lost, tooLong])
    over.abort()
  }

  #deliveryOf(message: ConsumeMessage, channel: Channel, isLost: () => boolean): Delivery<ConsumeMessage> {
    const { messageId = defaultMessageId } = this.#options
    // On another channel than its own, the broker knows nothing of a delivery: it has long given it to somebody else.
    const answer = (send: () => void): void => {
      if (!isLost()) send()
    }
    const acknowledge = (): void => answer(() => channel.ack(message))
    return {
      message,
      id: messageId(message),
      redelivered: message.fields.redelivered,
      acknowledge,
      giveBack: async (delayMs, signal) => {
        // RabbitMQ would deliver it again at once, so it waits here.
        await this.#handling.clock.sleep(delayMs, signal)
        answer(() => channel.nack(message, false, true))
      },
      bury: async (why) => {
        await this.#bury(message, why)
        acknowledge()
      },
    }
  }

  async #bury(message: ConsumeMessage, why: DeadLetter): Promise<void> {
    const { queue, deadLetter } = this.#options
    const sending = {
      exchange: '',
      routingKey: deadLetter,
      content: message.content,
      options: buriedProperties(message, queue, why),
    }
    const over = new AbortController()
    const timeout = new AbortController()
    void this.#handling.clock.sleep(BURIAL_TIMEOUT_MS, over.signal).then(() => timeout.abort())
    try {
      await this.#publisher.publish(sending, timeout.signal)
    } finally {
      over.abort()
    }
  }
}

function defaultMessageId({ properties }: ConsumeMessage): string | undefined {
  const id: unknown = properties.messageId
  return typeof id === 'string' ? id : undefined
}

/** The longest text in a header; all headers must fit into one frame. */
const LONGEST_HEADER = 2_000

function buriedProperties({ properties, fields }: ConsumeMessage, queue: string, why: DeadLetter): Options.Publish {
  const { expiration, userId, headers, ...kept } = properties
  // A copy that would be sent to others again, and a count that belongs to the queue it came from.
  const { CC, BCC, 'x-delivery-count': count, ...others } = headers ?? {}
  return {
    ...kept,
    persistent: true,
    headers: {
      ...others,
      'x-counterfoil-code': why.code,
      'x-counterfoil-reason': why.message.slice(0, LONGEST_HEADER),
      'x-counterfoil-deliveries': why.deliveries,
      'x-counterfoil-queue': queue,
      'x-counterfoil-exchange': fields.exchange,
      'x-counterfoil-routing-key': fields.routingKey,
    },
  }
}
