import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import { beforeAll, test } from 'vitest'
import { outboxContract } from './contract.fixture.js'
import { fromPrisma, type PrismaTransaction } from './prisma.js'

const FOLDER = 'examples/outbox/prisma'

/** For what starts a compiler: 3 s of work, but other tests run beside it. */
const SLOW_MS = 120_000

/** The part of the generated client that the contract uses; its true types are checked below. */
interface Client {
  $transaction<T>(
    work: (tx: PrismaTransaction & { order: { create(args: object): PromiseLike<unknown> } }) => Promise<T>,
  ): Promise<T>
  $extends(extension: object): Client
  $disconnect(): Promise<void>
}

async function node(...args: string[]): Promise<void> {
  // `generate` needs no schema engine, but would download one unless it is told of a file.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }
  await promisify(execFile)(process.execPath, args, { env }).catch((error: Error & { stdout?: string }) => {
    throw new Error(`${error.message}\n${error.stdout ?? ''}`)
  })
}

let connect: (connectionString: string) => Client

beforeAll(async () => {
  await node('node_modules/prisma/build/index.js', 'generate', '--schema', `${FOLDER}/schema.prisma`, '--no-hints')
  const generated = `../../${FOLDER}/generated/client.ts`
  const { PrismaClient } = (await import(generated)) as { PrismaClient: new (options: object) => Client }
  connect = (connectionString) => new PrismaClient({ adapter: new PrismaPg({ connectionString, max: 2 }) })
}, SLOW_MS)

outboxContract('an effect enqueued in an interactive transaction of Prisma', async ({ connectionString }) => {
  const prisma = connect(connectionString)
  return {
    transaction: (body) =>
      prisma.$transaction((tx) => body(fromPrisma(tx), (id) => tx.order.create({ data: { id, cents: 100 } }))),
    refusals: {
      'the client': () => fromPrisma(prisma as never),
      nothing: () => fromPrisma(undefined as never),
    },
    ended: /Transaction already closed|expired transaction/,
    close: () => prisma.$disconnect(),
  }
})

outboxContract('an effect enqueued in a transaction of an extended Prisma client', async ({ connectionString }) => {
  const prisma = connect(connectionString)
  const extended = prisma.$extends({ model: { order: { isLarge: () => true } } })
  return {
    transaction: (body) =>
      extended.$transaction((tx) => body(fromPrisma(tx), (id) => tx.order.create({ data: { id, cents: 100 } }))),
    refusals: { 'the extended client': () => fromPrisma(extended as never) },
    ended: /Transaction already closed|expired transaction/,
    close: () => prisma.$disconnect(),
  }
})

test(
  'the types of the client that Prisma generates tell a transaction from the client',
  async () => {
    await node('node_modules/typescript/bin/tsc', '-p', FOLDER)
  },
  SLOW_MS,
)
