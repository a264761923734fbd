import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { Counterfoil, defineEffect } from '../../src/index.js'
import { postgresJournal } from '../../src/journal/postgres/index.js'
import { type GatewayProcess, startGatewayProcess } from '../../src/testing/index.js'
import { type TestDatabase, testDatabase } from '../support/postgres.js'
import { type Plan, WorkerProcess } from './worker.js'

const TIMEOUT_MS = 10_000
const WORKERS = 3
/** A worker may take as long as a call that it has begun, and a busy machine a little more. */
const LEAVE_WITHIN_MS = TIMEOUT_MS + 5_000

let database: TestDatabase
let gateway: GatewayProcess
let pool: Pool
const workers: WorkerProcess[] = []

beforeAll(async () => {
  database = await testDatabase()
  // Slow enough that each worker has calls under way whenever it is told to end.
  gateway = await startGatewayProcess({ nodeArguments: ['--import', 'tsx'], latencyMs: 300 })
  pool = new Pool({ connectionString: database.connectionString, max: 2 })
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.signal('SIGKILL').catch(() => undefined)
})
afterAll(async () => {
  await pool?.end()
  await gateway?.stop()
  await database?.drop()
})

async function startWorker(): Promise<WorkerProcess> {
  const plan: Plan = {
    postgresUrl: database.connectionString,
    gatewayUrl: gateway.url,
    doubt: 'key',
    timeoutMs: TIMEOUT_MS,
    leaseGraceMs: 5_000,
  }
  const worker = await WorkerProcess.start(plan)
  workers.push(worker)
  return worker
}

/** Keeps orders waiting until it is stopped; it resolves with how many there were. */
function keepEnqueueing(stop: AbortSignal): Promise<number> {
  const chargeOrder = defineEffect({
    name: 'charge-order',
    key: (order: { id: string; cents: number }) => order.id,
    provider: {
      execute: () => Promise.reject(new Error('This process only enqueues.')),
      idempotencyKey: { window: '1d' },
    },
  })
  const journal = postgresJournal(pool, { listen: false })
  const counterfoil = new Counterfoil({ journal, effects: [chargeOrder] })
  const enqueue = async (): Promise<number> => {
    let count = 0
    while (!stop.aborted) {
      const batch = Array.from({ length: 20 }, () => ({ id: `deployed-${count++}`, cents: 1999 }))
      await counterfoil.enqueueMany(chargeOrder, batch)
      await vi.waitUntil(async () => stop.aborted || (await waiting()) < 80, { timeout: 60_000, interval: 50 })
    }
    return count
  }
  return enqueue()
}

async function waiting(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::integer as count from counterfoil.entries where state <> 'succeeded'`,
  )
  return rows[0]?.count ?? 0
}

it('a rolling deploy under load leaves nothing in doubt: every worker ends by itself, and no call is begun twice', async () => {
  const stop = new AbortController()
  const running = await Promise.all(Array.from({ length: WORKERS }, startWorker))
  const enqueued = keepEnqueueing(stop.signal)
  const left: { code: number | null; inTime: boolean; underWay: number }[] = []
  for (let turn = 0; turn < WORKERS; turn++) {
    await gateway.control.until('received', { method: 'POST', businessKey: `deployed-${turn * 40}` })
    running.push(await startWorker())
    const toldAtMs = performance.now()
    const underWay = (await gateway.control.requests({ method: 'POST' })).filter(({ outcome }) => outcome === 'waiting')
    const code = await running.shift()?.terminate()
    left.push({ code: code ?? null, inTime: performance.now() - toldAtMs < LEAVE_WITHIN_MS, underWay: underWay.length })
  }
  stop.abort()
  const count = await enqueued
  await vi.waitUntil(async () => (await waiting()) === 0, { timeout: 60_000, interval: 20 })

  expect(left.filter(({ code, inTime }) => code !== 0 || !inTime)).toEqual([])
  expect(Math.min(...left.map(({ underWay }) => underWay))).toBeGreaterThan(0)
  expect(workers.flatMap((worker) => worker.reports.filter((report) => report.kind === 'state'))).toEqual([])
  // Taken once, called once: nobody had to take over what another had begun.
  const { rows: again } = await pool.query(
    `select key, state, fence, attempts, find_failures from counterfoil.entries
     where fence <> 1 or attempts <> 1 or find_failures <> 0 or in_doubt_since is not null`,
  )
  expect(again).toEqual([])
  expect(await gateway.control.requests({ method: 'POST' })).toHaveLength(count)
  expect((await gateway.control.ledger()).totals()).toMatchObject({ charges: count, live: count, businessKeys: count })
}, 120_000)
