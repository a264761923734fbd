import type { PostgresTransaction } from '../journal/postgres/index.js'
import { has, requireTransaction, transactionOf } from '../journal/postgres/tied-transaction.js'

/** The `tx` of Prisma's `prisma.$transaction(async (tx) => …)`; the client itself, which can connect, is none. */
export interface PrismaTransaction {
  $queryRawUnsafe(query: string, ...values: unknown[]): PromiseLike<unknown>
  readonly $connect?: never
}

const REMEDY =
  'Pass the `tx` that `prisma.$transaction(async (tx) => …)` hands you (an array of queries is no such transaction), and ' +
  'await the enqueueing inside it.'

/**
 * Lets `enqueue` write in an interactive transaction of Prisma:
 *
 *     await prisma.$transaction(async (tx) => {
 *       await tx.order.create({ data: order })
 *       await counterfoil.enqueue(chargeOrder, order, { tx: fromPrisma(tx) })
 *     })
 *
 * It asks the server at once which transaction this is: a round trip. Of one that has ended, Prisma says so itself
 * (P2028).
 *
 * @throws {ConfigurationError} when `tx` is no transaction. Nothing was written.
 */
export function fromPrisma(tx: PrismaTransaction): PostgresTransaction {
  requireTransaction(
    has(tx, '$queryRawUnsafe') && !has(tx, '$connect'),
    'fromPrisma was not given an interactive transaction.',
    REMEDY,
  )
  return transactionOf(
    async ({ text, values }) => (await tx.$queryRawUnsafe(text, ...values)) as readonly unknown[],
    REMEDY,
  )
}
