import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type GatewayProcess, startGatewayProcess } from '../../src/testing/index.js'
import { type TestDatabase, testDatabase } from '../support/postgres.js'
import { type Plan, WorkerProcess } from './worker.js'

let database: TestDatabase
let gateway: GatewayProcess
const workers: WorkerProcess[] = []

beforeAll(async () => {
  database = await testDatabase()
  gateway = await startGatewayProcess({ nodeArguments: ['--import', 'tsx'] })
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.signal('SIGKILL').catch(() => undefined)
})
afterAll(async () => {
  await gateway?.stop()
  await database?.drop()
})

async function startWorkers(count: number, plan: Pick<Plan, 'doubt'> & Partial<Plan>): Promise<WorkerProcess[]> {
  const started = await Promise.all(
    Array.from({ length: count }, () =>
      WorkerProcess.start({ postgresUrl: database.connectionString, gatewayUrl: gateway.url, ...plan }),
    ),
  )
  workers.push(...started)
  return started
}

function keysNamed(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`)
}

describe('several real processes', () => {
  it('make exactly 1,000 calls for 1,000 keys × 10 concurrent duplicates without keys or look-ups at the gateway, and every caller gets its receipt', async () => {
    await gateway.control.reset()
    await gateway.control.configure({ level: 'none' })
    const started = await startWorkers(4, { doubt: 'park', timeoutMs: 30_000, leaseGraceMs: 10_000 })
    const keys = keysNamed('once', 1_000)
    // Ten duplicates of every key: two in one process, three in another, and so on, so that both kinds of race occur.
    const shares = [3, 3, 2, 2]
    started.forEach((worker, i) => {
      for (let copy = 0; copy < (shares[i] ?? 0); copy++) worker.perform(...rotated(keys, i * 250 + copy * 83))
    })
    await Promise.all(
      started.map((worker, i) => worker.until(() => worker.answers().length === (shares[i] ?? 0) * keys.length)),
    )
    const receipts = new Map<string, Set<string | null>>(keys.map((key) => [key, new Set()]))
    for (const worker of started) for (const { key, receipt } of worker.answers()) receipts.get(key)?.add(receipt)
    const ledger = await gateway.control.ledger()
    const calls = await gateway.control.requests({ method: 'POST' })
    const failed = started.flatMap((worker) => worker.reports.filter((report) => report.kind === 'failed'))
    expect(failed).toEqual([])
    expect(calls).toHaveLength(1_000)
    expect(ledger.chargedTwice()).toEqual([])
    expect(ledger.totals()).toMatchObject({ charges: 1_000, live: 1_000, businessKeys: 1_000 })
    expect([...receipts.values()].filter((each) => each.size !== 1 || each.has(null))).toEqual([])
  }, 120_000)

  it('take over from one that was killed after the service had acted, without a second charge', async () => {
    for (const doubt of ['key', 'find'] as const) {
      await gateway.control.reset()
      await gateway.control.configure({ level: doubt === 'key' ? 'keys' : 'lookup' })
      await gateway.control.fault({ method: 'POST', times: 1, fault: { kind: 'commit_after_client_gave_up' } })
      const plan = { doubt, timeoutMs: 1_000, leaseGraceMs: 300 }
      const [first] = await startWorkers(1, plan)
      first?.perform(`killed-${doubt}`)
      await gateway.control.until('received', { method: 'POST' })
      await first?.signal('SIGKILL')
      await gateway.control.until('executed', { method: 'POST' })
      // Only now: on a busy machine the late commit may outlast what this service declares of itself (`settlesWithin`).
      const [second] = await startWorkers(1, plan)
      second?.perform(`killed-${doubt}`)
      await second?.until(() => second.answers().length === 1)
      const ledger = await gateway.control.ledger()
      expect(ledger.totals()).toMatchObject({ charges: 1, live: 1 })
      expect(second?.answers()[0]?.receipt).toMatch(/^pi_/)
      // Gone before the next round: its resolver would believe in keys that the next gateway ignores.
      await second?.stop()
    }
  }, 60_000)

  const places = [
    { at: 'claimed', place: 'between its claim and hearing of it' },
    { at: 'sending', place: 'right before its request' },
  ] as const
  it.each(places)(
    'send nothing and write nothing when one is stopped $place and woken past its lease',
    async ({ at }) => {
      await gateway.control.reset()
      await gateway.control.configure({ level: 'keys' })
      const key = `stopped-${at}`
      const terms = { doubt: 'key', timeoutMs: 500, leaseGraceMs: 200 } as const
      const plan = { ...terms, stops: { at, key } }
      const [[stopped], [other]] = await Promise.all([startWorkers(1, plan), startWorkers(1, terms)])
      // With a connection to the gateway in hand, a request can leave at once.
      stopped?.perform(`before-${at}`)
      await stopped?.until(() => stopped.answers().length === 1)
      stopped?.perform(key)
      await stopped?.until((reports) => reports.some(({ kind }) => kind === 'stopping'))
      other?.perform(key)
      await other?.until(() => other.answers().length === 1)
      const before = await rowOf(key)
      expect(before).toMatchObject({ state: 'succeeded', fence: '2' })

      await stopped?.signal('SIGCONT')
      await stopped?.until(() => stopped.answers().length === 2)
      // Whatever it had begun to send has left by then.
      await stopped?.stop()
      expect(stopped?.answers().slice(1)).toEqual(other?.answers())
      expect(await rowOf(key)).toEqual(before)
      expect(await gateway.control.requests({ method: 'POST', businessKey: key })).toHaveLength(1)
      expect((await gateway.control.ledger()).totals()).toMatchObject({ charges: 2, live: 2, businessKeys: 2 })
    },
    60_000,
  )

  it('agree on the outcome when one is stopped after its request and woken past its lease', async () => {
    await gateway.control.reset()
    await gateway.control.configure({ level: 'keys' })
    await gateway.control.fault({ method: 'POST', times: 1, fault: { kind: 'delay', afterCommitMs: 200 } })
    const [first, second] = await startWorkers(2, { doubt: 'key', timeoutMs: 500, leaseGraceMs: 200 })
    first?.perform('stopped')
    await gateway.control.until('received', { method: 'POST' })
    await first?.signal('SIGSTOP')
    second?.perform('stopped')
    await second?.until(() => second.answers().length === 1)
    const before = (await gateway.control.requests({ method: 'POST' })).length
    await first?.signal('SIGCONT')
    await first?.until(() => first.answers().length === 1)
    expect(first?.answers()).toEqual(second?.answers())
    expect(await gateway.control.requests({ method: 'POST' })).toHaveLength(before)
    expect((await gateway.control.ledger()).totals()).toMatchObject({ charges: 1, live: 1 })
  }, 60_000)

  it('never re-send a key that was pruned during an outage as if it were still good (P4)', async () => {
    await gateway.control.reset()
    await gateway.control.configure({ level: 'keys', keyWindowMs: 1_500 })
    await gateway.control.fault({ method: 'POST', times: 1, fault: { kind: 'lose_response_after_commit' } })
    const [first] = await startWorkers(1, {
      doubt: 'key',
      keyWindowMs: 1_500,
      timeoutMs: 300,
      resolver: false,
      waitMs: 5_000,
    })
    // The first call charges, its answer is lost, and the worker dies in the outage that follows.
    first?.perform('pruned')
    await gateway.control.until('executed', { method: 'POST' })
    await first?.signal('SIGKILL')
    await gateway.control.refuseConnections()
    await gateway.control.pruneKeys()
    const [second] = await startWorkers(1, { doubt: 'key', keyWindowMs: 1_500, timeoutMs: 300, leaseGraceMs: 1_500 })
    await second?.until((reports) => reports.some((report) => report.kind === 'state' && report.state === 'parked'))
    await gateway.control.acceptConnections()
    second?.perform('pruned')
    await second?.until(() => second.answers().length === 1)
    expect(second?.answers()).toEqual([{ key: 'pruned', receipt: null, state: 'parked' }])
    expect((await gateway.control.ledger()).totals()).toMatchObject({ charges: 1, live: 1 })
  }, 60_000)
})

/** The whole row, as it stands. */
async function rowOf(key: string): Promise<unknown> {
  const client = new Client({ connectionString: database.connectionString })
  await client.connect()
  const { rows } = await client.query('SELECT * FROM counterfoil.entries WHERE key = $1', [key])
  await client.end()
  return rows[0]
}

function rotated(keys: readonly string[], by: number): string[] {
  return [...keys.slice(by % keys.length), ...keys.slice(0, by % keys.length)]
}
