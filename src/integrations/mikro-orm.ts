import type { PostgresTransaction } from '../journal/postgres/index.js'
import { has, requireTransaction } from '../journal/postgres/tied-transaction.js'
import { fromKnex, type KnexTransaction } from './knex.js'
import { fromKysely, type KyselyTransaction } from './kysely.js'

/** MikroORM's EntityManager. Its type does not tell whether it is in a transaction. */
export interface MikroOrmEntityManager {
  getTransactionContext(): unknown
}

/**
 * Lets `enqueue` write in a MikroORM transaction:
 *
 *     await em.transactional(async (em) => {
 *       em.persist(order)
 *       await counterfoil.enqueue(chargeOrder, data, { tx: fromMikroOrm(em) })
 *     })
 *
 * It goes to the transaction below (Knex's in MikroORM 6, Kysely's in 7), because MikroORM's own `execute` writes
 * parameters into the text of the SQL. It asks the server at once which transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when `em` is in no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromMikroOrm(em: MikroOrmEntityManager): PostgresTransaction {
  const context = has(em, 'getTransactionContext') ? em.getTransactionContext() : undefined
  if (isKyselyTransaction(context)) return fromKysely(context)
  requireTransaction(
    isKnexTransaction(context),
    'fromMikroOrm was given an EntityManager that is in no transaction.',
    'Pass the `em` that `em.transactional(async (em) => …)` hands you, or one after `await em.begin()`.',
  )
  return fromKnex(context)
}

function isKnexTransaction(context: unknown): context is KnexTransaction {
  return has(context, 'raw') && has(context, 'isCompleted')
}

function isKyselyTransaction(context: unknown): context is KyselyTransaction {
  return has(context, 'withoutPlugins')
}
