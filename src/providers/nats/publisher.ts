import type { JetStreamClient, PubAck } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core'
import { ConfigurationError, NotExecuted, OutcomeUnknown, Rejected, reasonOfError } from '../../protocol/index.js'

/** What the connection of a publisher must be made with: your `connect` spreads them into its options. */
export interface NatsPublisherConnectOptions {
  /**
   * A connection that mends itself sends what was published meanwhile when it is back, long after we have given up and
   * counted on that nothing more is sent: so it must not.
   */
  readonly reconnect: false
}

/** A message on its way to JetStream. */
export interface NatsSending {
  readonly subject: string
  readonly content: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly messageId: string
  /** The stream that must take it. */
  readonly stream: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What the libraries bring; they are loaded when they are first needed, so that they may be absent where they are not. */
async function libraries() {
  const [{ jetstream, JetStreamApiError }, { headers }] = await Promise.all([
    import('@nats-io/jetstream'),
    import('@nats-io/nats-core'),
  ])
  return { jetstream, JetStreamApiError, headers }
}

type Libraries = Awaited<ReturnType<typeof libraries>>

interface Open {
  readonly js: JetStreamClient
  readonly connection: NatsConnection
  readonly libraries: Libraries
}

/** A connection to NATS for publishing effects, made when it is first needed and made anew after it was lost. */
export class NatsPublisher {
  readonly #connect: (options: NatsPublisherConnectOptions) => Promise<NatsConnection>
  #opening: Promise<Open> | null = null
  #isClosed = false

  /** @internal Made by {@link natsPublisher}. */
  constructor(connect: (options: NatsPublisherConnectOptions) => Promise<NatsConnection>) {
    this.#connect = connect
  }

  /**
   * JetStream on the connection that stands, or on a new one.
   *
   * @throws {NotExecuted} NATS could not be reached.
   * @throws {ConfigurationError} after `close`, or where the connection mends itself.
   */
  async open(): Promise<Open> {
    if (this.#isClosed) throw new ConfigurationError('This NATS publisher has been closed.')
    this.#opening ??= this.#make().catch((error: unknown) => {
      this.#opening = null
      throw error
    })
    return this.#opening
  }

  async #make(): Promise<Open> {
    const loaded = await libraries()
    const connection = await this.#connect({ reconnect: false }).catch((cause: unknown) => {
      const { message } = reasonOfError(cause)
      throw new NotExecuted('no_connection', `NATS could not be reached, so nothing was sent: ${message}`, { cause })
    })
    if (mendsItself(connection)) {
      await connection.close()
      throw new ConfigurationError(
        'The connection of a NATS publisher reconnects by itself, and would then send what we have given up. Pass on ' +
          'the options that `connect` is given: natsPublisher((options) => connect({ servers, ...options })).',
      )
    }
    void connection.closed().then(() => {
      this.#opening = null
    })
    return { js: loaded.jetstream(connection), connection, libraries: loaded }
  }

  /**
   * Publishes one message, once, and returns the stream's acknowledgement.
   *
   * @throws {Rejected} it can never be stored. @throws {NotExecuted} it was surely not stored.
   * @throws {OutcomeUnknown} no acknowledgement came, or one that does not say.
   */
  async publish(sending: NatsSending): Promise<PubAck> {
    const { js, libraries: loaded } = await this.open()
    const { signal, timeoutMs } = sending
    if (signal.aborted || timeoutMs < 1) {
      throw new NotExecuted('too_late', 'The time to publish was over before there was a connection; nothing was sent.')
    }
    try {
      return await js.publish(sending.subject, sending.content, {
        msgID: sending.messageId,
        headers: headersOf(sending.headers, loaded.headers()),
        expect: { streamName: sending.stream },
        timeout: Math.ceil(timeoutMs),
        retries: 1,
      })
    } catch (error) {
      throw answerTo(error, loaded)
    }
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.#isClosed = true
    const open = await this.#opening?.catch(() => null)
    await open?.connection.close()
  }
}

/**
 * A connection to NATS for publishing effects, by your own transport:
 *
 *     const nats = natsPublisher((options) => connect({ servers: 'nats://localhost', ...options }))
 *
 * `connect` is called when a connection is first needed, and again after it was lost.
 */
export function natsPublisher(
  connect: (options: NatsPublisherConnectOptions) => Promise<NatsConnection>,
): NatsPublisher {
  return new NatsPublisher(connect)
}

/** The client shows its options, though its type does not. */
function mendsItself(connection: NatsConnection): boolean {
  const options: unknown = 'options' in connection ? connection.options : undefined
  return typeof options === 'object' && options !== null && 'reconnect' in options && options.reconnect !== false
}

function headersOf(record: Readonly<Record<string, string>>, headers: MsgHdrs): MsgHdrs {
  for (const [name, value] of Object.entries(record)) headers.set(name, value)
  return headers
}

/** Error codes of JetStream that say that a message can never be stored (nats-server, errors.json). */
const NEVER = new Set([
  10_054, // JSStreamMessageExceedsMaximumErr
])

/** Codes with which JetStream does not say whether anything was written. */
const UNCERTAIN = new Set([
  10_077, // JSStreamStoreFailedF: the disk failed, or (with the same code) the stream is full and takes no more
])

function answerTo(error: unknown, { JetStreamApiError }: Libraries): Error {
  const { message } = reasonOfError(error)
  if (error instanceof JetStreamApiError) {
    const code = `jetstream_${error.code}`
    if (NEVER.has(error.code)) return new Rejected(code, `JetStream refused the message: ${message}`, { cause: error })
    return UNCERTAIN.has(error.code)
      ? new OutcomeUnknown(code, `JetStream does not say whether the message was stored: ${message}`, { cause: error })
      : new NotExecuted(code, `JetStream did not store the message: ${message}`, { cause: error })
  }
  const names = namesOf(error)
  // 503, from a server that knew nobody to give it to.
  if (names.includes('JetStreamNotEnabled')) {
    return new NotExecuted('no_stream', 'No stream takes the subject now, so the message went nowhere.', {
      cause: error,
    })
  }
  if (names.includes('InvalidArgumentError') || names.includes('InvalidSubjectError')) {
    return new Rejected('invalid_message', `The message cannot be sent: ${message}`, { cause: error })
  }
  if (names.includes('PermissionViolationError')) {
    return new NotExecuted('not_permitted', `NATS refused the subject: ${message}`, { cause: error })
  }
  return new OutcomeUnknown('no_acknowledgement', `No acknowledgement came, so it may be stored: ${message}`, {
    cause: error,
  })
}

function namesOf(error: unknown): string[] {
  const names: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) names.push(each.name)
  return names
}
