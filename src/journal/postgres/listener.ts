import type { Clock } from '../../system/index.js'
import type { PostgresPool } from './client.js'
import { quoteIdentifier } from './statement.js'

/** The part of a `pg` client that listening takes. */
export interface ListeningClient {
  query(config: { readonly text: string }): Promise<unknown>
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', listener: () => void): unknown
}

/** A connection for LISTEN, and how to close it. */
export interface ListeningConnection {
  readonly client: ListeningClient
  close(): Promise<void>
}

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 30_000

/** A server that cannot be reached any more does not answer a farewell either. */
const CLOSE_MS = 1_000

/**
 * Hears the notifications of one channel on a connection of its own, opened with the first listener and opened anew
 * when it breaks. What is notified while it is broken is lost; that costs the engine a poll's time and nothing else.
 */
export class ChannelListener {
  readonly #connect: () => Promise<ListeningConnection>
  readonly #channel: string
  readonly #clock: Clock
  readonly #listeners = new Set<(id: string) => void>()
  #running: Promise<void> | null = null
  #stopping = new AbortController()

  constructor(connect: () => Promise<ListeningConnection>, channel: string, clock: Clock) {
    this.#connect = connect
    this.#channel = channel
    this.#clock = clock
  }

  add(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    this.#running ??= this.#run(this.#stopping.signal)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    this.#stopping.abort()
    await this.#running
    this.#running = null
    this.#stopping = new AbortController()
  }

  async #run(stop: AbortSignal): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (!stop.aborted) {
      try {
        await this.#listen(stop, () => {
          retryMs = FIRST_RETRY_MS
        })
      } catch {
        // The engine polls; a database that is away will be noticed, and said, by what asks it something.
      }
      await this.#clock.sleep(retryMs, stop)
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
    }
  }

  /** Listens until the connection breaks or `stop` aborts. */
  async #listen(stop: AbortSignal, listening: () => void): Promise<void> {
    const connection = await this.#connect()
    let end = (): void => undefined
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    try {
      connection.client.on('error', end)
      connection.client.on('end', end)
      stop.addEventListener('abort', end)
      connection.client.on('notification', (message) => this.#tell(message.payload ?? ''))
      await connection.client.query({ text: `LISTEN ${quoteIdentifier(this.#channel)}` })
      listening()
      if (!stop.aborted) await over
    } finally {
      // It would keep the connection that broke, with all that hangs on it.
      stop.removeEventListener('abort', end)
      const closed = new AbortController()
      await Promise.race([connection.close().catch(() => undefined), this.#clock.sleep(CLOSE_MS, closed.signal)])
      // Else its timer would hold up the end of the process.
      closed.abort()
    }
  }

  #tell(id: string): void {
    for (const listener of [...this.#listeners]) listener(id)
  }
}

/** A pool of `pg`, as far as it says how it makes its connections. */
interface ClientFactory {
  readonly Client: new (options: unknown) => ListeningClient & { connect(): Promise<unknown>; end(): Promise<void> }
  readonly options: unknown
}

/**
 * How to get a connection for LISTEN from `pool`: beside the pool's own number where it says how it makes them (as
 * `pg.Pool` does), so that a pool of one connection is not used up by listening; else one of the pool's.
 */
export function listeningConnections(pool: PostgresPool): () => Promise<ListeningConnection> {
  if (isClientFactory(pool)) {
    return async () => {
      const client = new pool.Client(pool.options)
      client.on('error', () => undefined)
      await client.connect()
      return { client, close: () => client.end() }
    }
  }
  return async () => {
    const client = await pool.connect()
    return { client: client as unknown as ListeningClient, close: async () => client.release(true) }
  }
}

function isClientFactory(pool: object): pool is ClientFactory {
  return 'Client' in pool && typeof pool.Client === 'function' && 'options' in pool
}
