import { fromPrisma } from 'counterfoil/prisma'
import type { Prisma, PrismaClient } from './generated/client.js'

/** Compiled with the client that Prisma generates, never run. */
export function use(prisma: PrismaClient, transaction: Prisma.TransactionClient): void {
  const extended = prisma.$extends({ model: { order: { isLarge: () => true } } })
  void prisma.$transaction(async (tx) => fromPrisma(tx))
  void extended.$transaction(async (tx) => fromPrisma(tx))
  void fromPrisma(transaction)
  // @ts-expect-error: the client is no transaction
  void fromPrisma(prisma)
  // @ts-expect-error: nor is an extended one
  void fromPrisma(extended)
}
