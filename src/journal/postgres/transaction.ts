import { ConfigurationError } from '../../protocol/index.js'
import type { PostgresPool, PostgresTransaction } from './client.js'
import { type Connection, withConnection } from './connection.js'
import type { Queryable } from './database.js'
import { type Doing, journalError, sqlState } from './errors.js'

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
  await withConnection(pool, what, async (connection) => {
    const open = new OpenTransaction(connection, what)
    try {
      await open.begin()
      await body(open)
      await open.commit()
    } catch (error) {
      await open.rollback()
      throw error
    }
  })
}

class OpenTransaction implements Open {
  readonly connection: Connection
  readonly tx: PostgresTransaction = { query: (...args) => this.#query(...args) }
  readonly #what: string
  #isUsers = true
  #underWay = 0

  constructor(connection: Connection, what: string) {
    this.connection = connection
    this.#what = what
  }

  async #query<Row>(...args: [text: string, values?: unknown[]]): Promise<{ rows: Row[] }> {
    if (!this.#isUsers) {
      throw new ConfigurationError(
        'This transaction has ended, so the query was not sent. Await every query inside the handler that was given it.',
      )
    }
    this.#underWay++
    try {
      // The very arguments, so that a query builder may pass what `pg` takes (a config object, a row mode).
      const { client } = this.connection
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<{ rows: Row[] }>
      return await query(...args)
    } finally {
      this.#underWay--
    }
  }

  async begin(): Promise<void> {
    await this.#run('nothing', `BEGIN; SAVEPOINT ${SAVEPOINT}`)
  }

  async takeBack(): Promise<void> {
    this.#isUsers = false
    if (this.#underWay > 0) throw notAwaited(this.#underWay)
    try {
      await this.connection.query({ text: `RELEASE SAVEPOINT ${SAVEPOINT}` })
    } catch (error) {
      const state = sqlState(error)
      // in_failed_sql_transaction
      if (state === '25P02') throw undoneByError(error)
      // invalid_savepoint_specification, no_active_sql_transaction
      if (state === '3B001' || state === '25P01') throw endedByHandler(error)
      throw journalError(this.#what, 'writes', error)
    }
  }

  async commit(): Promise<void> {
    this.#isUsers = false
    await this.#run('writes', 'COMMIT')
  }

  /** Where the connection is broken, closing it undoes the transaction too. */
  async rollback(): Promise<void> {
    this.#isUsers = false
    if (!this.connection.isBroken) await this.connection.query({ text: 'ROLLBACK' }).catch(() => undefined)
  }

  async #run(doing: Doing, text: string): Promise<void> {
    try {
      await this.connection.query({ text })
    } catch (error) {
      throw journalError(this.#what, doing, error)
    }
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
