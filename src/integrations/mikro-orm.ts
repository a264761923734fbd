import type { PostgresTransaction } from '../journal/postgres/index.js'
import { fromKnex, type KnexTransaction } from './knex.js'
import { has, requireTransaction } from './transaction.js'

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
 * It goes to the Knex transaction below, because MikroORM's own `execute` writes parameters into the text of the SQL.
 *
 * @throws {ConfigurationError} here, when `em` is in no transaction; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromMikroOrm(em: MikroOrmEntityManager): PostgresTransaction {
  const context = has(em, 'getTransactionContext') ? em.getTransactionContext() : undefined
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
