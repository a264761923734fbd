import type { CompiledQuery } from 'kysely'
import type { PostgresTransaction } from '../journal/postgres/index.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** The `trx` of Kysely's `db.transaction().execute(async (trx) => …)`, or a controlled transaction; `db` itself is none. */
export interface KyselyTransaction {
  readonly isTransaction: true
  withoutPlugins(): { executeQuery(query: never): Promise<{ readonly rows: readonly unknown[] }> }
}

const REMEDY =
  'Pass the `trx` that `db.transaction().execute(async (trx) => …)` hands you, or the one that ' +
  '`db.startTransaction().execute()` resolves to, and await the enqueueing inside it.'

/**
 * Lets `enqueue` write in a Kysely transaction:
 *
 *     await db.transaction().execute(async (trx) => {
 *       await trx.insertInto('orders').values(order).execute()
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromKysely(trx) })
 *     })
 *
 * Plugins of yours (such as CamelCasePlugin) do not see its statements. It asks the server at once which
 * transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when `trx` is no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromKysely(trx: KyselyTransaction): PostgresTransaction {
  requireTransaction(has(trx, 'withoutPlugins') && trx.isTransaction, 'fromKysely was not given a transaction.', REMEDY)
  const bare = trx.withoutPlugins()
  return transactionOf(async ({ text, values }) => {
    const { CompiledQuery } = await import('kysely')
    // As `executeQuery` is declared by Kysely.
    const execute = bare.executeQuery.bind(bare) as (
      query: CompiledQuery,
    ) => Promise<{ readonly rows: readonly unknown[] }>
    const { rows } = await execute(CompiledQuery.raw(text, [...values]))
    return rows
  }, REMEDY)
}
