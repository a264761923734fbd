import type { PostgresTransaction } from '../journal/postgres/index.js'
import { cutAtParameters, type TextValue } from '../journal/postgres/tied-statement.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** The `trx` of Knex's `knex.transaction(async (trx) => …)`; `knex` itself is none. */
export interface KnexTransaction {
  raw(sql: string, bindings: readonly TextValue[]): PromiseLike<unknown>
  isCompleted(): boolean
}

const REMEDY = 'Pass the `trx` that `knex.transaction(async (trx) => …)` hands you, and await the enqueueing inside it.'

/**
 * Lets `enqueue` write in a Knex transaction:
 *
 *     await knex.transaction(async (trx) => {
 *       await trx('orders').insert(order)
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromKnex(trx) })
 *     })
 *
 * It asks the server at once which transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when `trx` is no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromKnex(trx: KnexTransaction): PostgresTransaction {
  requireTransaction(
    has(trx, 'raw') && has(trx, 'isCompleted') && !trx.isCompleted(),
    'fromKnex was not given an open transaction.',
    REMEDY,
  )
  return transactionOf(async (statement) => {
    const { texts, values } = cutAtParameters(statement)
    // Knex knows only `?`, which a backslash makes a question mark.
    const sql = texts.map((text) => text.replaceAll('?', '\\?')).join('?')
    const result = (await trx.raw(sql, values)) as { readonly rows: readonly unknown[] }
    return result.rows
  }, REMEDY)
}
