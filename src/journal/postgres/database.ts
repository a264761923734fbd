import { ConfigurationError } from '../../protocol/index.js'
import type { PostgresPool, QueryConfig, QueryResult } from './client.js'
import { isContention, journalError } from './errors.js'
import type { Statement } from './statement.js'

/** A row as it travels: PostgreSQL's text for every column. */
export type Row = readonly (string | null)[]

/** Contention undoes a statement as a whole, so the same may be sent again; more often than this it is no accident. */
const CONTENTION_TRIES = 5

/** What runs a statement: the pool, or one connection of it. */
export interface Queryable {
  query(config: QueryConfig): Promise<QueryResult>
}

/** Runs the journal's statements and says in the journal's terms what went wrong. */
export class Database {
  readonly pool: PostgresPool
  readonly #prepared: boolean

  constructor(pool: PostgresPool, prepared: boolean) {
    this.pool = pool
    this.#prepared = prepared
  }

  /** @throws {JournalError} with `what` in its message. */
  async read(what: string, statement: Statement, values: unknown[], on: Queryable = this.pool): Promise<Row[]> {
    try {
      return await this.#run(statement, values, on)
    } catch (error) {
      throw journalError(what, 'reads', error)
    }
  }

  /** Runs a statement that is a transaction of its own. @throws {JournalError} with `what` in its message. */
  async write(what: string, statement: Statement, values: unknown[]): Promise<Row[]> {
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#run(statement, values, this.pool)
        } catch (error) {
          if (!isContention(error) || tries === CONTENTION_TRIES) throw error
        }
      }
    } catch (error) {
      throw journalError(what, 'writes', error)
    }
  }

  /** Runs a statement inside a transaction that somebody else opened and ends. */
  async inTransaction(what: string, statement: Statement, values: unknown[], on: Queryable): Promise<Row[]> {
    try {
      return await this.#run(statement, values, on)
    } catch (error) {
      throw journalError(what, 'writes', error)
    }
  }

  async #run(statement: Statement, values: unknown[], on: Queryable): Promise<Row[]> {
    const { name, text } = statement
    // Written out: with a spread it is an object of the slow kind, and `pg` copies it property by property.
    const config: QueryConfig = this.#prepared
      ? { name, text, values, rowMode: 'array', types: AS_TEXT }
      : { text, values, rowMode: 'array', types: AS_TEXT }
    const result = await on.query(config)
    return result.rows as Row[]
  }
}

const AS_TEXT = {
  getTypeParser: (_oid: number, format?: string) => {
    if (format === 'binary') {
      throw new ConfigurationError(
        'The pool asks for results in binary, which the journal does not read. Give it a pool without `binary: true`.',
      )
    }
    return (text: string) => text
  },
}
