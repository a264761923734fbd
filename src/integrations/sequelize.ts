import type { PostgresTransaction } from '../journal/postgres/index.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** The `transaction` of Sequelize's `sequelize.transaction(async (transaction) => …)`; `sequelize` itself is none. */
export interface SequelizeTransaction {
  commit(): Promise<void>
  rollback(): Promise<void>
  readonly afterCommit: (...args: never) => unknown
}

/** What a transaction of Sequelize 6 has besides what its types say. */
interface Owned {
  readonly sequelize?: {
    query(sql: string, options: object): Promise<readonly unknown[]>
  }
}

const REMEDY =
  'Pass the `transaction` that `sequelize.transaction(async (transaction) => …)` hands you, and await the enqueueing ' +
  'inside it.'

/**
 * Lets `enqueue` write in a Sequelize transaction:
 *
 *     await sequelize.transaction(async (transaction) => {
 *       await Order.create(order, { transaction })
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromSequelize(transaction) })
 *     })
 *
 * It asks the server at once which transaction this is: a round trip. Of one that has ended, Sequelize says so itself.
 *
 * @throws {ConfigurationError} when `transaction` is none. Nothing was written.
 */
export function fromSequelize(transaction: SequelizeTransaction): PostgresTransaction {
  const sequelize = has(transaction, 'commit') ? (transaction as Owned).sequelize : undefined
  requireTransaction(
    sequelize !== undefined && has(sequelize, 'query'),
    'fromSequelize was not given a transaction.',
    REMEDY,
  )
  return transactionOf(
    ({ text, values }) =>
      // As a SELECT: of an INSERT, Sequelize returns the rows in another form.
      sequelize.query(text, { bind: [...values], transaction, type: 'SELECT', raw: true, nest: false, plain: false }),
    REMEDY,
  )
}
