import { ConfigurationError } from '../../protocol/index.js'
import type { PostgresClient, PostgresPool, PostgresTransaction } from './client.js'
import type { Queryable } from './database.js'
import { journalError, sqlState } from './errors.js'

const SAVEPOINT = 'counterfoil_settle'

/** A transaction while it is open. */
export interface Open {
  /** For the journal's own statements. */
  readonly connection: Queryable
  /** For the user's. */
  readonly tx: PostgresTransaction
  /**
   * Ends the user's part.
   *
   * @throws {ConfigurationError} when the user's part ended the transaction (a savepoint that then is gone tells), went
   * on after an SQL error that undid it, or left a query under way.
   */
  takeBack(): Promise<void>
}

/**
 * Runs `body` in a transaction on a connection of its own and commits; if `body` throws, rolls back and throws the same.
 *
 * @throws {JournalError} when the database fails.
 */
export async function inTransaction(
  pool: PostgresPool,
  what: string,
  body: (open: Open) => Promise<void>,
): Promise<void> {
  const client = await pool.connect().catch((error: unknown) => {
    throw journalError(what, false, error)
  })
  const open = new OpenTransaction(client, what)
  try {
    await open.begin()
    await body(open)
    await open.commit()
  } catch (error) {
    await open.rollback()
    throw error
  } finally {
    open.release()
  }
}

class OpenTransaction implements Open, PostgresTransaction {
  readonly connection: Queryable
  readonly tx: PostgresTransaction = this
  readonly #client: PostgresClient
  readonly #what: string
  #isUsers = true
  #broken: Error | undefined
  #underWay = 0

  constructor(client: PostgresClient, what: string) {
    this.#client = client
    this.connection = client
    this.#what = what
  }

  async query<Row = Record<string, unknown>>(...args: [text: string, values?: unknown[]]): Promise<{ rows: Row[] }> {
    if (!this.#isUsers) {
      throw new ConfigurationError(
        'This transaction has ended, so the query was not sent. Await every query inside the handler that was given it.',
      )
    }
    this.#underWay++
    try {
      // The very arguments, so that a query builder may pass what `pg` takes (a config object, a row mode).
      const query = this.#client.query.bind(this.#client) as (...args: unknown[]) => Promise<{ rows: Row[] }>
      return await query(...args)
    } finally {
      this.#underWay--
    }
  }

  async begin(): Promise<void> {
    await this.#run(false, `BEGIN; SAVEPOINT ${SAVEPOINT}`)
  }

  async takeBack(): Promise<void> {
    this.#isUsers = false
    if (this.#underWay > 0) throw notAwaited(this.#underWay)
    try {
      await this.#client.query({ text: `RELEASE SAVEPOINT ${SAVEPOINT}` })
    } catch (error) {
      const state = sqlState(error)
      // in_failed_sql_transaction
      if (state === '25P02') throw undoneByError(error)
      // invalid_savepoint_specification, no_active_sql_transaction
      if (state === '3B001' || state === '25P01') throw endedByHandler(error)
      throw this.#failed(true, error)
    }
  }

  async commit(): Promise<void> {
    this.#isUsers = false
    await this.#run(true, 'COMMIT')
  }

  /** Where the server does not answer, the connection is closed, which undoes the transaction too. */
  async rollback(): Promise<void> {
    this.#isUsers = false
    if (this.#broken !== undefined) return
    try {
      await this.#client.query({ text: 'ROLLBACK' })
    } catch (error) {
      this.#broken = asError(error)
    }
  }

  release(): void {
    this.#client.release(this.#broken)
  }

  async #run(writes: boolean, text: string): Promise<void> {
    try {
      await this.#client.query({ text })
    } catch (error) {
      throw this.#failed(writes, error)
    }
  }

  #failed(writes: boolean, error: unknown): Error {
    if (sqlState(error) === null) this.#broken = asError(error)
    return journalError(this.#what, writes, error)
  }
}

function notAwaited(count: number): ConfigurationError {
  return new ConfigurationError(
    `The handler returned while ${count} of its queries were still under way. Everything was rolled back, and it will run ` +
      'again. Await every query inside it.',
  )
}

function undoneByError(cause: unknown): ConfigurationError {
  return new ConfigurationError(
    'A query in the handler failed, and the handler went on as if it had not: PostgreSQL undoes the whole transaction ' +
      'then. Nothing was written, and it will run again. Let the error through, or guard the query with a SAVEPOINT.',
    { cause },
  )
}

function endedByHandler(cause: unknown): ConfigurationError {
  return new ConfigurationError(
    'The handler ended the transaction that it was given (COMMIT or ROLLBACK). What it committed stands, but the ' +
      'settlement is not marked done, so it will run again. Leave commit and rollback to the journal.',
    { cause },
  )
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
