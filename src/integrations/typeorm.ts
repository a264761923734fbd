import type { PostgresTransaction } from '../journal/postgres/index.js'
import type { TextValue } from '../journal/postgres/tied-statement.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** TypeORM's QueryRunner, after `startTransaction()`. */
export interface TypeOrmQueryRunner {
  readonly isTransactionActive: boolean
  query(
    query: string,
    parameters: TextValue[],
    useStructuredResult: true,
  ): Promise<{ readonly records: readonly unknown[] }>
}

/** The `manager` of TypeORM's `dataSource.transaction(async (manager) => …)`. */
export interface TypeOrmEntityManager {
  readonly queryRunner?: TypeOrmQueryRunner
  /** A DataSource has one, and is no transaction. */
  readonly manager?: never
}

const REMEDY =
  'Pass the `manager` that `dataSource.transaction(async (manager) => …)` hands you, or a QueryRunner after ' +
  '`startTransaction()`, and await the enqueueing inside the transaction.'

/**
 * Lets `enqueue` write in a TypeORM transaction, given by its EntityManager or its QueryRunner:
 *
 *     await dataSource.transaction(async (manager) => {
 *       await manager.save(Order, order)
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromTypeOrm(manager) })
 *     })
 *
 * The types cannot tell `dataSource.manager` from the manager of a transaction; at run time it is refused.
 *
 * It asks the server at once which transaction this is: a round trip.
 *
 * @throws {ConfigurationError} here, when no transaction is active; from the enqueueing, when it has ended. Nothing was written.
 */
export function fromTypeOrm(transaction: TypeOrmEntityManager | TypeOrmQueryRunner): PostgresTransaction {
  const runner = isQueryRunner(transaction) ? transaction : transaction?.queryRunner
  requireTransaction(
    runner !== undefined && has(runner, 'query') && runner.isTransactionActive,
    'fromTypeOrm was not given an EntityManager or a QueryRunner with an active transaction.',
    REMEDY,
  )
  return transactionOf(async ({ text, values }) => {
    const { records } = await runner.query(text, [...values], true)
    return records
  }, REMEDY)
}

function isQueryRunner(transaction: TypeOrmEntityManager | TypeOrmQueryRunner): transaction is TypeOrmQueryRunner {
  return has(transaction, 'query') && 'isTransactionActive' in transaction
}
