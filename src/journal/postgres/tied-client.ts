import type { PostgresTransaction } from './client.js'
import { has, requireTransaction, transactionOf } from './tied-transaction.js'

const REMEDY =
  'Take a client of the pool, await its BEGIN, pass that client, and await the enqueueing before its COMMIT.'

/**
 * The transaction that a client of `pg` is in now. What comes when that has ended, or where there is none, writes nothing.
 *
 * @throws {ConfigurationError} when given a pool, whose every query may go to another connection.
 */
export function tiedClient(client: PostgresTransaction): PostgresTransaction {
  requireTransaction(has(client, 'query') && !isPool(client), 'This is no client, or it is a pool.', REMEDY)
  return transactionOf(async ({ text, values }) => (await client.query(text, [...values])).rows, REMEDY)
}

/** Ties what is a client or a pool of `pg`; adapters' transactions and the journal's own know their end themselves. */
export function tiedIfClient(tx: PostgresTransaction): PostgresTransaction {
  return has(tx, 'connect') || has(tx, 'release') ? tiedClient(tx) : tx
}

function isPool(value: object): boolean {
  return 'totalCount' in value
}
