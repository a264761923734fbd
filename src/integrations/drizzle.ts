import type { SQL } from 'drizzle-orm'
import type { PostgresTransaction } from '../journal/postgres/index.js'
import { cutAtParameters } from '../journal/postgres/tied-statement.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'
import { ConfigurationError } from '../protocol/index.js'

/** The `tx` of Drizzle's `db.transaction(async (tx) => …)` on PostgreSQL, whatever the driver; `db` itself is none. */
export interface DrizzleTransaction {
  execute(query: never): PromiseLike<unknown>
  rollback(): never
  setTransaction(config: object): Promise<void>
}

const REMEDY = 'Pass the `tx` that `db.transaction(async (tx) => …)` hands you, and await the enqueueing inside it.'

/**
 * Lets `enqueue` write in a Drizzle transaction:
 *
 *     await db.transaction(async (tx) => {
 *       await tx.insert(orders).values(order)
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromDrizzle(tx) })
 *     })
 *
 * It asks the server at once which transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when `tx` is no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromDrizzle(tx: DrizzleTransaction): PostgresTransaction {
  requireTransaction(
    has(tx, 'execute') && has(tx, 'rollback') && has(tx, 'setTransaction'),
    'fromDrizzle was not given a PostgreSQL transaction of Drizzle.',
    REMEDY,
  )
  // As Drizzle declares it.
  const execute = tx.execute.bind(tx) as (query: SQL | string) => PromiseLike<unknown>
  return transactionOf(async (statement) => {
    if (statement.values.length === 0) return rowsOf(await execute(statement.text))
    const { sql } = await import('drizzle-orm')
    const { texts, values } = cutAtParameters(statement)
    const chunks = texts.flatMap((text, i) => (i === 0 ? [sql.raw(text)] : [sql.param(values[i - 1]), sql.raw(text)]))
    return rowsOf(await execute(sql.join(chunks)))
  }, REMEDY)
}

/** Of node-postgres and its like, an object with rows; of postgres.js, an array. */
function rowsOf(result: unknown): readonly unknown[] {
  const rows = typeof result === 'object' && result !== null && 'rows' in result ? result.rows : result
  if (Array.isArray(rows)) return rows
  throw new ConfigurationError(
    "Drizzle's driver answers in a form that is not known here, so what was written is not known either. Roll the " +
      'transaction back, and use the node-postgres or the postgres-js driver.',
  )
}
