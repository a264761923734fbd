import type { ChannelModel } from 'amqplib'
import { ConfigurationError } from '../../protocol/index.js'

/**
 * A connection to RabbitMQ that is made when it is first needed, and made anew when it is needed after it was lost. It
 * serves any number of consumers and publishing effects of a process; take two where consumers must not be held up by
 * publishers whom the broker slows down.
 */
export class RabbitMq {
  readonly #connect: () => Promise<ChannelModel>
  #connecting: Promise<ChannelModel> | null = null
  #blocked: string | null = null
  #isClosed = false

  /** @internal Made by {@link rabbitMq}. */
  constructor(connect: () => Promise<ChannelModel>) {
    this.#connect = connect
  }

  /** Why the broker takes no messages for now (it is out of memory or disk); null: it does. */
  get blocked(): string | null {
    return this.#blocked
  }

  /**
   * The connection that stands, or a new one.
   *
   * @throws what `connect` throws. @throws {ConfigurationError} after `close`.
   */
  async open(): Promise<ChannelModel> {
    if (this.#isClosed) throw new ConfigurationError('This RabbitMQ connection has been closed.')
    this.#connecting ??= this.#make().catch((error: unknown) => {
      this.#connecting = null
      throw error
    })
    return this.#connecting
  }

  async #make(): Promise<ChannelModel> {
    const connection = await this.#connect()
    this.#blocked = null
    // It is told of by 'close' too; without a listener it would end the process.
    connection.on('error', () => undefined)
    connection.on('close', () => {
      this.#connecting = null
    })
    connection.on('blocked', (reason) => {
      this.#blocked = String(reason) || 'blocked'
    })
    connection.on('unblocked', () => {
      this.#blocked = null
    })
    return connection
  }

  /** Ends the connection. Stop consumers first: what they have not acknowledged is delivered again. */
  async close(): Promise<void> {
    this.#isClosed = true
    const connection = await this.#connecting?.catch(() => null)
    if (connection === null || connection === undefined) return
    // One that breaks while it is being closed never answers.
    const broken = new Promise<void>((resolve) => connection.once('close', () => resolve()))
    await Promise.race([connection.close().catch(() => undefined), broken])
  }
}

/**
 * A connection to RabbitMQ for consumers and publishing effects, by your own client:
 *
 *     const rabbit = rabbitMq(() => amqp.connect('amqp://localhost'))
 *
 * `connect` is called when a connection is first needed, and again after it was lost: it must make a new one each time,
 * without the client's own `recovery`.
 */
export function rabbitMq(connect: () => Promise<ChannelModel>): RabbitMq {
  return new RabbitMq(connect)
}
