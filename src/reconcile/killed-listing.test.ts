import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import type { AuditRun, ExternalOperation } from '../protocol/index.js'
import type { AuditReport } from './index.js'
import { auditOptions, chargeListedAt, type ListedPage, type ListerPlan } from './lister.fixture.js'
import { PLANTS, Seeded, type Truth } from './plants.fixture.js'
import { type Ground, groundIn, World } from './world.fixture.js'

const PAGE_OPERATIONS = 600

type Cursors = 'of every operation' | 'of the last of a page' | 'none'

let database: TestDatabase
let pool: Pool
let ground: Ground
let service: Server
/** What the service lists, with which cursors, and behind what it was asked to go on. */
let shown: { operations: readonly ExternalOperation[]; cursors: Cursors; asked: string[] }
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
  ground = await groundIn(pool, 'listings')
  service = createServer((request, response) => {
    const after = new URL(request.url ?? '/', 'http://service').searchParams.get('after') ?? ''
    shown.asked.push(after)
    response.end(JSON.stringify(pageBehind(after)))
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
})
afterAll(async () => {
  service.close()
  await ground.journal.close()
  await pool.end()
  await database.drop()
})

function pageBehind(after: string): ListedPage {
  const { operations, cursors } = shown
  const at = after === '' ? 0 : operations.findIndex((each) => each.externalId === after) + 1
  const data = operations.slice(at, at + PAGE_OPERATIONS)
  const last = data.at(-1)
  const hasCursor = (each: ExternalOperation) =>
    cursors === 'of every operation' || (cursors !== 'none' && each === last)
  return {
    data: data.map((each) => (hasCursor(each) ? { ...each, cursor: each.externalId } : each)),
    next: at + PAGE_OPERATIONS < operations.length ? (last?.externalId ?? null) : null,
  }
}

const portOf = () => (service.address() as AddressInfo).port

let worlds = 0

/** Some pages of what matches, with every kind of anomaly in each of them. */
async function planted(cursors: Cursors): Promise<{ world: World; truth: Truth }> {
  worlds++
  const world = new World(ground, `listing-${worlds}`)
  const truth: Truth = { findings: [], entries: [], late: [], foreign: 0, matched: 0 }
  const seeded = new Seeded(worlds)
  for (let i = 0; i < 2_000; i++) {
    const plant = Object.values(PLANTS)[i % 40]
    ;(plant ?? PLANTS.matched)?.(world, truth, seeded)
  }
  await world.record(truth.entries)
  const fromMs = world.options.from.getTime()
  const operations = world.service.operations.filter((each) => each.createdAtMs >= fromMs)
  shown = { operations, cursors, asked: [] }
  return { world, truth }
}

function auditor(world: World, dies: ListerPlan['dies']): ChildProcess {
  const plan: ListerPlan = {
    ...{ postgresUrl: database.connectionString, schema: 'listings', namespace: world.namespace, port: portOf(), dies },
    fromMs: world.options.from.getTime(),
  }
  const program = fileURLToPath(new URL('./lister.fixture.ts', import.meta.url))
  return spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

async function goOn(world: World): Promise<AuditReport> {
  // What the dead one held is over when its time is.
  await pool.query("UPDATE listings.leases SET leased_until = now() WHERE key LIKE 'audit:%' AND leased_until > now()")
  const charge = chargeListedAt(portOf())
  const counterfoil = new Counterfoil({ journal: world.journal, effects: [charge], namespace: world.namespace })
  return counterfoil.reconcile(charge, auditOptions(world.options.from.getTime()))
}

/** What was planted is found, all of it and nothing else, and of no list is anything left. */
async function expectWhole(report: AuditReport, { world, truth }: { world: World; truth: Truth }): Promise<void> {
  const found: string[] = []
  for await (const { kind, key, externalId } of report.findings()) {
    found.push(`${kind} ${kind === 'missing' ? key : externalId}`)
  }
  expect(found.sort()).toEqual(truth.findings.map((each) => `${each.kind} ${each.about}`).sort())
  const { foreign, matched } = truth
  expect(report.counts).toMatchObject({ listed: shown.operations.length, repeated: 0, foreign, matched })
  expect((await pool.query('SELECT FROM listings.audit_operations LIMIT 1')).rowCount).toBe(0)
  expect(world.service.undone).toEqual([])
}

async function runsOf(world: World): Promise<readonly AuditRun[]> {
  return (await world.journal.audits?.runs([{ namespace: world.namespace, effect: 'charge' }], null, 10)) ?? []
}

async function untilRow(text: string, values: unknown[] = []): Promise<void> {
  for (;;) if ((await pool.query(text, values)).rowCount !== 0) return
}

const WAITS = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH mine AS MATERIALIZED%'"

/** Kills an auditor whose second batch has been sent and is not written yet; `then` runs while it still is not. */
async function killedWhileStaging(world: World, then: () => Promise<void>): Promise<void> {
  const child = auditor(world, 'in the middle of staging a page')
  await once(child.stdout ?? child, 'data')
  const holder = await pool.connect()
  try {
    await holder.query('BEGIN; LOCK TABLE listings.audit_operations IN SHARE MODE')
    child.stdin?.write('go\n')
    await untilRow(WAITS)
    child.kill('SIGKILL')
    await once(child, 'close')
    await then()
  } finally {
    await holder.query('COMMIT')
    holder.release()
  }
}

describe('an auditor that is killed while it lists', () => {
  it.each(['of every operation', 'of the last of a page'] as const)(
    'after page 2 was staged, with a cursor %s, is followed by one that goes on behind what was staged',
    async (cursors) => {
      const at = await planted(cursors)
      const child = auditor(at.world, 'after page 2 was staged')
      await once(child, 'close')
      expect(child.signalCode).toBe('SIGKILL')
      const [{ cursor } = { cursor: null }] = await runsOf(at.world)
      expect(cursor).not.toBeNull()
      shown.asked = []
      const report = await goOn(at.world)
      expect(report.run.resumed).toBe(true)
      expect(shown.asked[0]).toBe(cursor)
      expect(await runsOf(at.world)).toHaveLength(1)
      await expectWhole(report, at)
    },
    60_000,
  )

  it('without a cursor, is followed by one that lists anew, and its own audit is incomplete', async () => {
    const at = await planted('none')
    const child = auditor(at.world, 'after page 2 was staged')
    await once(child, 'close')
    expect(child.signalCode).toBe('SIGKILL')
    shown.asked = []
    const report = await goOn(at.world)
    expect(report.run.resumed).toBe(false)
    expect(shown.asked[0]).toBe('')
    expect((await runsOf(at.world))[1]).toMatchObject({ state: 'incomplete', note: { code: 'interrupted' } })
    await expectWhole(report, at)
  }, 60_000)

  it('in the middle of staging a page that is lost with it, is followed by one that lists that page again', async () => {
    const at = await planted('of the last of a page')
    await killedWhileStaging(at.world, async () => {
      await pool.query(WAITS.replace('SELECT', 'SELECT pg_terminate_backend(pid)'))
      await untilRow(`SELECT WHERE NOT EXISTS (${WAITS})`)
    })
    const report = await goOn(at.world)
    expect(report.run.resumed).toBe(true)
    await expectWhole(report, at)
  }, 60_000)

  it('in the middle of staging a page that is written after its successor began, changes nothing by that', async () => {
    const at = await planted('of the last of a page')
    let report: Promise<AuditReport> | undefined
    await killedWhileStaging(at.world, async () => {
      const [before] = await runsOf(at.world)
      report = goOn(at.world)
      await untilRow('SELECT FROM listings.audit_runs WHERE id = $1 AND fence > $2', [before?.id, before?.fence])
    })
    const done = await report
    if (done === undefined) throw new Error('The successor must have begun.')
    expect(done.run.resumed).toBe(true)
    await expectWhole(done, at)
  }, 60_000)
})
