import { PrismaPg } from '@prisma/adapter-pg'
import { fromPrisma } from 'counterfoil/prisma'
import { chargeOrder, counterfoil, type Order } from '../counterfoil.js'
import { PrismaClient } from './generated/client.js'

const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL ?? '' })
const prisma = new PrismaClient({ adapter })

export async function placeOrder(order: Order): Promise<void> {
  await prisma.$transaction(async (tx) => {
    await tx.order.create({ data: order })
    await counterfoil.enqueue(chargeOrder, order, { tx: fromPrisma(tx) })
  })
}

export const close = (): Promise<void> => prisma.$disconnect()
