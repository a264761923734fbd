import type { ConfirmChannel, Options } from 'amqplib'
import { ConfigurationError, NotExecuted, OutcomeUnknown, Rejected } from '../../protocol/index.js'
import type { RabbitMq } from './connection.js'

/** A message on its way to RabbitMQ. */
export interface RabbitMqSending {
  /** `''`: the default exchange, where the routing key names the queue. */
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly options: Options.Publish
}

/** Channels that are kept open while nothing is published. */
const KEPT_CHANNELS = 16

/**
 * Publishes with publisher confirms. Each message has a channel to itself while it is under way: a channel dies with
 * what the broker refuses on it, and then tells of no other message whether it was taken.
 */
export class RabbitMqPublisher {
  readonly #rabbit: RabbitMq
  readonly #idle: ConfirmChannel[] = []

  constructor(rabbit: RabbitMq) {
    this.#rabbit = rabbit
  }

  /**
   * Publishes one message, once, and returns when the broker has confirmed that it has taken it for every queue that it
   * is routed to.
   *
   * @throws {Rejected} no queue takes it, or it can never be sent.
   * @throws {NotExecuted} it was surely not taken.
   * @throws {OutcomeUnknown} no confirm came, or the broker could not take it for some queue.
   */
  async publish(sending: RabbitMqSending, signal: AbortSignal): Promise<void> {
    const channel = await this.#takeInTime(signal)
    if (this.#rabbit.blocked !== null) {
      this.#giveBack(channel)
      throw new NotExecuted(
        'blocked',
        `RabbitMQ takes no messages for now (${this.#rabbit.blocked}); nothing was sent.`,
      )
    }
    try {
      await confirmed(channel, sending, signal)
      this.#giveBack(channel)
    } catch (error) {
      // Its broker may still answer on it: the next message must not hear of that.
      if (isOver(error)) this.#giveBack(channel)
      else void channel.close().catch(() => undefined)
      throw error
    }
  }

  async #takeInTime(signal: AbortSignal): Promise<ConfirmChannel> {
    const taking = this.#take()
    const aborted = new Promise<null>((resolve) => {
      signal.addEventListener('abort', () => resolve(null), { once: true })
    })
    const channel = await Promise.race([taking, aborted])
    if (channel !== null && !signal.aborted) return channel
    void taking.then((late) => this.#giveBack(late)).catch(() => undefined)
    throw new NotExecuted('too_late', 'The time to publish was over before a channel was open; nothing was sent.')
  }

  async #take(): Promise<ConfirmChannel> {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    try {
      const channel = await (await this.#rabbit.open()).createConfirmChannel()
      channel.on('error', () => undefined)
      channel.once('close', () => {
        const at = this.#idle.indexOf(channel)
        if (at >= 0) this.#idle.splice(at, 1)
      })
      return channel
    } catch (cause) {
      if (cause instanceof ConfigurationError) throw cause
      const said = cause instanceof Error ? cause.message : String(cause)
      throw new NotExecuted('no_channel', `RabbitMQ could not be reached, so nothing was sent: ${said}`, { cause })
    }
  }

  #giveBack(channel: ConfirmChannel): void {
    if (this.#idle.length < KEPT_CHANNELS) this.#idle.push(channel)
    else void channel.close().catch(() => undefined)
  }
}

/** The broker has said all that it will of this message. */
function isOver(error: unknown): boolean {
  return error instanceof Rejected && error.reason.code === UNROUTABLE
}

const UNROUTABLE = 'unroutable'

/** How a channel ends on which one message was under way. */
const REFUSALS: Readonly<Record<number, (said: string) => Error>> = {
  403: (said) => new NotExecuted('access_refused', `RabbitMQ refused access: ${said}`),
  404: (said) => new NotExecuted('no_exchange', `RabbitMQ has no such exchange: ${said}`),
  406: (said) => new Rejected('precondition_failed', `RabbitMQ refused the message: ${said}`),
}

function confirmed(channel: ConfirmChannel, sending: RabbitMqSending, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let returned: string | null = null
    let refusal: Error | null = null
    const onReturn = ({ fields }: { fields: object }): void => {
      returned = 'replyText' in fields ? String(fields.replyText) : 'no route'
    }
    const onError = (error: Error & { readonly code?: unknown }): void => {
      refusal = (typeof error.code === 'number' ? REFUSALS[error.code]?.(error.message) : undefined) ?? refusal
    }
    const onClose = (): void => end(refusal ?? unknown('connection_lost', 'The channel closed before a confirm came'))
    const onAbort = (): void => end(unknown('timeout', 'No confirm came in time'))
    const end = (error: Error | null): void => {
      channel.off('return', onReturn)
      channel.off('error', onError)
      channel.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (error === null) resolve()
      else reject(error)
    }
    const onConfirm = (error: unknown): void => {
      if (returned !== null)
        end(new Rejected(UNROUTABLE, `No queue takes the message: ${returned}. It was not stored.`))
      else if (error === null || error === undefined) end(null)
      // A closed channel fails its confirms too, and says why only then.
      else setImmediate(() => end(unknown('nacked', 'RabbitMQ could not take the message for every queue')))
    }
    channel.on('return', onReturn)
    channel.on('error', onError)
    channel.on('close', onClose)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const options = { ...sending.options, mandatory: true }
      channel.publish(sending.exchange, sending.routingKey, sending.content, options, onConfirm)
    } catch (cause) {
      end(unsent(cause))
    }
  })
}

function unknown(code: string, what: string): OutcomeUnknown {
  return new OutcomeUnknown(code, `${what}: the message may have been taken.`)
}

/** What `publish` throws, it throws before a frame is written. */
function unsent(cause: unknown): Error {
  const said = cause instanceof Error ? cause.message : String(cause)
  const isState = cause instanceof Error && cause.name === 'IllegalOperationError'
  return isState
    ? new NotExecuted('channel_closed', `The channel had closed, so nothing was sent: ${said}`, { cause })
    : new Rejected('invalid_message', `The message cannot be sent: ${said}`, { cause })
}
