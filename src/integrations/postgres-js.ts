import type { PostgresTransaction } from '../journal/postgres/index.js'
import type { TextValue } from '../journal/postgres/tied-statement.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** The `sql` of postgres.js' `sql.begin(async (sql) => …)`; the outer `sql` is none. */
export interface PostgresJsTransaction {
  unsafe(query: string, parameters?: TextValue[]): PromiseLike<readonly unknown[]>
  readonly savepoint: (...args: never) => unknown
}

const REMEDY = 'Pass the `sql` that `sql.begin(async (sql) => …)` hands you, and await the enqueueing inside it.'

/**
 * Lets `enqueue` write in a postgres.js transaction:
 *
 *     await sql.begin(async (sql) => {
 *       await sql`INSERT INTO orders ${sql(order)}`
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromPostgresJs(sql) })
 *     })
 *
 * It asks the server at once which transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when `sql` is no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromPostgresJs(sql: PostgresJsTransaction): PostgresTransaction {
  requireTransaction(
    has(sql, 'unsafe') && has(sql, 'savepoint'),
    'fromPostgresJs was not given a transaction: neither the outer `sql` nor a reserved connection is one.',
    REMEDY,
  )
  return transactionOf(({ text, values }) => sql.unsafe(text, [...values]), REMEDY)
}
