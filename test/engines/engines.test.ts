import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import { Queue } from 'bullmq'
import { makeWorkerUtils } from 'graphile-worker'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { realClock } from '../../src/system/index.js'
import { type GatewayProcess, startGatewayProcess } from '../../src/testing/index.js'
import { testDatabase } from '../support/postgres.js'
import { hasRedisServer, type OwnRedis, startRedis } from '../support/redis.js'

/** How long the gateway keeps its first answer back: longer than any test. */
const WITHHELD_MS = 120_000

/** What the test knows of an engine beyond its example. */
interface Engine {
  readonly example: string
  /** What an operator does who knows that the old worker is gone; most engines see it for themselves. */
  readonly workerIsGone?: (at: Ground) => Promise<void>
  /** What the engine kept as the job's result once it is done; undefined: it is not. */
  readonly result: (at: Ground) => Promise<unknown>
}

/** What one run has for itself. */
interface Ground {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly orderId: string
}

const CHARGING = { route: 'payment_intents.create' }

const hasRedis = hasRedisServer()
let redis: OwnRedis | undefined
let gateway: GatewayProcess
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  if (hasRedis) redis = await startRedis()
  gateway = await startGatewayProcess({ nodeArguments: ['--import', 'tsx'] })
})
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await gateway?.stop()
  await redis?.stop()
})

async function rows<Row>(databaseUrl: string, sql: string, values: readonly string[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return (await client.query(sql, [...values])).rows as Row[]
  } finally {
    await client.end()
  }
}

const engines: Engine[] = [
  {
    example: 'dbos',
    result: async ({ databaseUrl, orderId }) => {
      const client = await DBOSClient.create({ systemDatabaseUrl: databaseUrl })
      try {
        return await client.retrieveWorkflow(orderId).getResult()
      } finally {
        await client.destroy()
      }
    },
  },
  {
    example: 'pg-boss',
    result: async ({ databaseUrl }) => {
      const done = `SELECT output FROM pgboss.job WHERE name = 'pay' AND state = 'completed'`
      const [job] = await rows<{ output: unknown }>(databaseUrl, done)
      return job?.output
    },
  },
  {
    example: 'graphile-worker',
    workerIsGone: async ({ databaseUrl }) => {
      const utils = await makeWorkerUtils({ connectionString: databaseUrl })
      const holding = 'SELECT locked_by FROM graphile_worker.jobs WHERE locked_by IS NOT NULL'
      const held = await rows<{ locked_by: string }>(databaseUrl, holding)
      await utils.forceUnlockWorkers(held.map(({ locked_by }) => locked_by))
      await utils.release()
    },
    result: async ({ databaseUrl, orderId }) => {
      const done = 'SELECT payment FROM orders WHERE id = $1 AND NOT EXISTS (SELECT FROM graphile_worker.jobs)'
      const [order] = await rows<{ payment: unknown }>(databaseUrl, done, [orderId])
      return order?.payment ?? undefined
    },
  },
  {
    example: 'bullmq',
    result: async ({ redisUrl }) => {
      const queue = new Queue('pay', { connection: { url: redisUrl } })
      try {
        const [job] = await queue.getCompleted()
        return job?.returnvalue
      } finally {
        await queue.close()
      }
    },
  },
]

/** Workers of examples, in a process of their own; each submits its order if told to. */
function startWorkers(run: Run, submits: boolean) {
  const fixture = fileURLToPath(new URL('./worker.fixture.ts', import.meta.url))
  const loader = new URL('./naive-loader.mjs', import.meta.url).href
  const loaders = ['--import', 'tsx', ...(run.body === 'naive' ? ['--import', loader] : [])]
  const told = run.engines.map(({ example }) => `${example}=${submits ? orderOf(run, example) : ''}`)
  const child = spawn(process.execPath, [...loaders, fixture, ...told], {
    env: {
      ...{ ...process.env, NODE_ENV: 'production' },
      ...{ DATABASE_URL: run.databaseUrl, REDIS_URL: run.redisUrl, STRIPE_URL: gateway.url },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data) => {
    said += String(data)
  })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  return { child, said: () => said }
}

interface Run {
  readonly engines: readonly Engine[]
  readonly body: 'counterfoil' | 'naive'
  readonly databaseUrl: string
  readonly redisUrl: string
}

const orderOf = ({ body }: Run, example: string): string => `${example}-${body}`

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/**
 * Ends the workers between the gateway's commit and the engine's own, and has others do the jobs again. Tells what each
 * engine then holds as its job's result, and which charges the gateway has made for it.
 */
async function runKilled(engines: readonly Engine[], body: Run['body']) {
  const database = await testDatabase()
  closing.push(() => database.drop())
  const redisUrl = `${redis?.url}/${body === 'naive' ? 1 : 0}`
  const run: Run = { engines, body, databaseUrl: database.connectionString, redisUrl }
  await rows(run.databaseUrl, 'CREATE TABLE orders (id text PRIMARY KEY, payment jsonb)')
  const grounds = engines.map((engine) => ({ engine, ...run, orderId: orderOf(run, engine.example) }))
  for (const { orderId } of grounds) {
    await rows(run.databaseUrl, 'INSERT INTO orders (id) VALUES ($1)', [orderId])
    const withheld = { kind: 'delay', afterCommitMs: WITHHELD_MS } as const
    await gateway.control.fault({ ...CHARGING, businessKey: orderId, times: 1, fault: withheld })
  }

  const first = startWorkers(run, true)
  const executed = grounds.map(({ orderId }) =>
    gateway.control.until('executed', { ...CHARGING, businessKey: orderId }),
  )
  await orEnded(first, Promise.all(executed))
  await kill(first.child)

  for (const { engine, ...ground } of grounds) await engine.workerIsGone?.(ground)
  const second = startWorkers(run, false)
  const done = grounds.map(({ engine, ...ground }) => untilDone(engine, ground))
  const results = await orEnded(second, Promise.all(done)).finally(() => kill(second.child))
  const ledger = await gateway.control.ledger()
  return grounds.map(({ orderId }, i) => ({ result: results[i], charges: ledger.charges(orderId) }))
}

/** Engines tell of a finished job each in its own way, and some in none: it is looked for. */
async function untilDone(engine: Engine, ground: Ground): Promise<unknown> {
  for (;;) {
    const result = await engine.result(ground)
    if (result !== undefined) return result
    await realClock.sleep(100)
  }
}

async function orEnded<T>(worker: ReturnType<typeof startWorkers>, awaited: Promise<T>): Promise<T> {
  const ended = once(worker.child, 'exit').then(([code, signal]) => {
    throw new Error(`The worker ended (${signal ?? code}): ${worker.said()}`)
  })
  ended.catch(() => undefined)
  return Promise.race([awaited, ended])
}

/** Processes start slowly on a busy machine. */
const TIMEOUT_MS = 120_000

const here = engines.filter(({ example }) => example !== 'bullmq' || hasRedis)

describe.concurrent('a worker that is killed between the service’s commit and the engine’s own', () => {
  it.for(here)(
    'of $example: has charged once, and the next ends the job with the receipt',
    {
      timeout: TIMEOUT_MS,
    },
    async (engine, { expect }) => {
      const [killed] = await runKilled([engine], 'counterfoil')
      expect(killed?.charges).toHaveLength(1)
      expect(killed?.result).toEqual({ paid: killed?.charges[0]?.paymentIntent })
    },
  )

  it('of each of them: charges twice where the step makes the call by itself', {
    timeout: TIMEOUT_MS,
  }, async ({ expect }) => {
    const killed = await runKilled(here, 'naive')
    // More than twice where the machine is so busy that a job is thought lost once more.
    expect(killed.map(({ charges }) => charges.length >= 2)).toEqual(here.map(() => true))
  })
})

test.each(readdirSync('examples/engines'))('docs/inside-engines.md shows %s to the letter', (file) => {
  const text = readFileSync('docs/inside-engines.md', 'utf8')
  expect(text).toContain(readFileSync(`examples/engines/${file}`, 'utf8'))
})
