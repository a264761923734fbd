import type { PostgresClient, PostgresPool, QueryConfig, QueryResult } from './client.js'
import { journalError, sqlState } from './errors.js'

/** A connection taken from the pool, which knows whether it still works. */
export class Connection {
  readonly client: PostgresClient
  #broken: Error | undefined
  // The pool hears the errors of idle connections only: without this, one that breaks between two queries of its
  // borrower would end the process.
  readonly #noteBroken = (error: Error): void => {
    this.#broken ??= error
  }

  constructor(client: PostgresClient) {
    this.client = client
    client.on?.('error', this.#noteBroken)
  }

  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  async query(config: QueryConfig): Promise<QueryResult> {
    try {
      return await this.client.query(config)
    } catch (error) {
      // Not the server's word: nobody knows what state the connection is in.
      if (sqlState(error) === null) this.#noteBroken(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** Gives it back, or closes it where it is broken. */
  release(): void {
    this.client.removeListener?.('error', this.#noteBroken)
    this.client.release(this.#broken)
  }
}

/**
 * Runs `body` with a connection of its own.
 *
 * @throws {JournalError} with `what` in its message, where no connection can be had.
 */
export async function withConnection<Result>(
  pool: PostgresPool,
  what: string,
  body: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw journalError(what, 'nothing', error)
  })
  const connection = new Connection(client)
  try {
    return await body(connection)
  } finally {
    connection.release()
  }
}

const outliving = new WeakSet<PostgresPool>()

/**
 * Keeps a broken connection from ending the process, as an 'error' event that nobody hears does: one that breaks while it
 * is idle (a database restart), and one that breaks at the very moment of its hand-over, when the pool has stopped
 * listening and its borrower's code has not begun to run. Whoever uses the connection hears of it from its query.
 */
export function outliveBrokenConnections(pool: PostgresPool): void {
  // Once, however many journals and schemas share the pool: Node takes more than ten listeners for a leak.
  if (outliving.has(pool)) return
  outliving.add(pool)
  pool.on?.('error', () => undefined)
  pool.on?.('connect', (client) => {
    client.on?.('error', () => undefined)
  })
}
