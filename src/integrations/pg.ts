import type { PoolClient } from 'pg'
import type { PostgresTransaction } from '../journal/postgres/index.js'
import { tiedClient } from '../journal/postgres/tied-client.js'
import { has } from '../journal/postgres/tied-transaction.js'
import { ConfigurationError } from '../protocol/index.js'

/** A client of `pg` (node-postgres) after BEGIN; a pool, whose every query may go to another connection, is none. */
export interface PgTransaction extends PostgresTransaction {
  /** A pool has one. */
  readonly totalCount?: never
}

/**
 * Lets `enqueue` write in the transaction of a `pg` client, and refuses one that has none open:
 *
 *     await client.query('BEGIN')
 *     await client.query('INSERT INTO orders …', [order.id])
 *     await counterfoil.enqueue(chargeOrder, order, { tx: fromPg(client) })
 *     await client.query('COMMIT')
 *
 * It asks the server at once which transaction this is: a round trip. A client that is passed as it is (`{ tx: client }`)
 * is treated alike by `enqueue`; this says so in the types, which refuse a pool.
 *
 * @throws {ConfigurationError} here, when given a pool; from the enqueueing, when no transaction is open. Nothing was written.
 */
export function fromPg(client: PgTransaction): PostgresTransaction {
  return tiedClient(client)
}

type Callback = (error: unknown, result?: unknown) => void

/** What ends a transaction, or begins one inside it. Savepoints are the user's to use. */
const TRANSACTION_COMMAND =
  /^\s*(BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|ROLLBACK(?!\s+(WORK\s+|TRANSACTION\s+)?TO\b))\b/i

/**
 * The journal's transaction, as a `settled` handler gets it, in the guise of a `pg` client, so that what is built upon
 * `pg` can work in it:
 *
 *     settled: async (tx: PostgresTransaction, order) => {
 *       await drizzle(toPg(tx)).update(orders).set({ paid: true }).where(eq(orders.id, order.id))
 *     }
 *
 * It has the client's `query` (text, config object, callback) and a `release` that does nothing. It refuses BEGIN,
 * COMMIT and ROLLBACK, which are the journal's; savepoints are free to use. Cursors and COPY streams are refused.
 */
export function toPg(tx: PostgresTransaction): PoolClient {
  const query = (...args: unknown[]): unknown => {
    const callback = args.at(-1)
    if (!isCallback(callback)) return send(tx, args)
    send(tx, args.slice(0, -1)).then(
      (result) => callback(null, result),
      (error: unknown) => callback(error),
    )
    return undefined
  }
  const client: Record<string, unknown> = { query, release: () => undefined }
  // Listeners would hear of the connection, which is the journal's to watch.
  for (const name of ['on', 'once', 'off', 'addListener', 'removeListener']) client[name] = () => client
  // The part of it that query builders use.
  return client as unknown as PoolClient
}

/** The same as a pool of this one client, for what takes its clients from a pool, as Kysely's PostgresDialect does. */
export function toPgPool(tx: PostgresTransaction): { connect(): Promise<PoolClient>; end(): Promise<void> } {
  const client = toPg(tx)
  return { connect: () => Promise.resolve(client), end: () => Promise.resolve() }
}

async function send(tx: PostgresTransaction, args: readonly unknown[]): Promise<unknown> {
  const [first] = args
  if (has(first, 'submit')) {
    throw new ConfigurationError(
      'Cursors and streams cannot be used in the transaction of a handler. Nothing was sent.',
    )
  }
  const text = typeof first === 'object' && first !== null && 'text' in first ? first.text : first
  if (typeof text === 'string' && TRANSACTION_COMMAND.test(text)) {
    throw new ConfigurationError(
      `The handler's transaction is the journal's to begin and to end, so ${JSON.stringify(text)} was not sent. ` +
        'Work in it without a transaction of your own, or use a savepoint.',
    )
  }
  // The very arguments: the journal's transaction takes what `pg` takes.
  return (tx.query as (...args: readonly unknown[]) => Promise<unknown>)(...args)
}

function isCallback(value: unknown): value is Callback {
  return typeof value === 'function'
}
