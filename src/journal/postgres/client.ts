/** What the journal asks of a PostgreSQL driver: the part of `pg` (node-postgres) that it uses, by structure alone. */

export interface QueryConfig {
  readonly text: string
  readonly values?: unknown[]
  /** A named statement is prepared once per connection. */
  readonly name?: string
  readonly rowMode?: 'array'
  readonly types?: { getTypeParser(oid: number, format?: string): (value: string) => unknown }
}

export interface QueryResult {
  readonly rows: unknown[]
  readonly command?: string
}

/** One connection, taken from the pool. `pg.PoolClient` is one. */
export interface PostgresClient {
  query(config: QueryConfig): Promise<QueryResult>
  /** Where the connection is an event emitter, as `pg`'s is: an 'error' that nobody hears would end the process. */
  on?(event: 'error', listener: (error: Error) => void): unknown
  removeListener?(event: 'error', listener: (error: Error) => void): unknown
  /** Gives it back; with an error (or true), it is closed instead. */
  release(destroy?: Error | boolean): void
}

/** A pool of connections. `pg.Pool` is one. */
export interface PostgresPool {
  query(config: QueryConfig): Promise<QueryResult>
  connect(): Promise<PostgresClient>
  /** Where the pool is an event emitter, as `pg`'s is. */
  on?(event: 'connect', listener: (client: PostgresClient) => void): unknown
  on?(event: 'error', listener: (error: Error) => void): unknown
}

/**
 * A transaction in PostgreSQL, as `settled` handlers and `enqueue` see it: the `query` of a `pg` client. Commit and
 * rollback belong to whoever opened it.
 */
export interface PostgresTransaction {
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
}
