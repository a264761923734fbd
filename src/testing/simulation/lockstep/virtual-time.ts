import type { PostgresClient, PostgresPool, QueryConfig, QueryResult } from '../../../journal/postgres/index.js'

const SCHEMA = 'virtual_time'

/**
 * Functions of the names by which production SQL asks for the time, in a schema of their own. PostgreSQL looks through
 * `pg_catalog` first unless the search path names it at another place: so the text of the statements stays as it is.
 */
const CLOCK = ['statement_timestamp', 'clock_timestamp', 'transaction_timestamp', 'now']
  .map(
    (name) =>
      `CREATE OR REPLACE FUNCTION ${SCHEMA}.${name}() RETURNS timestamptz STABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT 'epoch'::timestamptz + current_setting('${SCHEMA}.ms')::float8 * interval '1 millisecond' $$;`,
  )
  .join('\n')

/** The operations come one at a time: one that waits for a lock would wait for ever. */
const LOCK_TIMEOUT_MS = 1_000

/** For the session: a transaction that is rolled back takes its settings with it, so they go before every query. */
const SET = `SELECT set_config('search_path', '${SCHEMA}, pg_catalog', false),
  set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', false), set_config('${SCHEMA}.ms', $1, false)`

/** A pool on whose connections it is always `nowMs`, whatever the server's own clock shows. */
export class VirtualTime implements PostgresPool {
  nowMs = 0
  readonly #pool: PostgresPool

  private constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  /** Makes its functions in the database: one that serves nobody else, since nobody should find the time in it. */
  static async over(pool: PostgresPool): Promise<VirtualTime> {
    await pool.query({ text: `CREATE SCHEMA IF NOT EXISTS ${SCHEMA};\n${CLOCK}` })
    return new VirtualTime(pool)
  }

  async query(config: QueryConfig): Promise<QueryResult> {
    const client = await this.connect()
    try {
      return await client.query(config)
    } finally {
      client.release()
    }
  }

  async connect(): Promise<PostgresClient> {
    const client = await this.#pool.connect()
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<QueryResult>
    return {
      query: async (...args: unknown[]) => {
        if (!isBracket(args[0])) await query({ text: SET, values: [String(this.nowMs)] })
        return query(...args)
      },
      release: (destroy) => client.release(destroy),
    }
  }
}

/** What begins or ends a transaction asks for no time, and has to get through where nothing else does: after an error. */
function isBracket(query: unknown): boolean {
  const text = typeof query === 'string' ? query : (query as QueryConfig).text
  return /^(BEGIN|COMMIT|ROLLBACK|RELEASE)\b/.test(text)
}
