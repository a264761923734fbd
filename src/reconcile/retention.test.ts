import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { ageEntries } from '../engine/index.js'
import { ConfigurationError, type ExternalOperation, type Finding, type Money } from '../protocol/index.js'
import type { AuditReport } from './index.js'
import { type Ground, groundIn, MINUTE_MS, World } from './world.fixture.js'

const AGO_MS = 20 * MINUTE_MS

let database: TestDatabase
let pool: Pool
let ground: Ground
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 4 })
  ground = await groundIn(pool, 'aged_audits')
})
afterAll(async () => {
  await ground.journal.close()
  await pool.end()
  await database.drop()
})

async function findingsOf(report: AuditReport): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of report.findings()) findings.push(finding)
  return findings
}

/** A world in which nobody can read an input or a receipt that is not there. */
function strictWorld(namespace: string): World {
  return new World(ground, namespace, {
    amount: (receipt, order): Money => {
      if (receipt === null || order === null) throw new Error('There is no receipt to read.')
      return { minorUnits: order.cents, currency: 'eur' }
    },
  })
}

/** Plants an operation and the entry that made it. */
async function made(world: World, changes: Partial<ExternalOperation> = {}): Promise<ExternalOperation> {
  const key = world.newKey('made')
  const operation = world.plant(key, AGO_MS, changes)
  await world.record([{ key, agoMs: AGO_MS, state: 'succeeded', externalId: operation.externalId }])
  return operation
}

async function compact(world: World): Promise<number> {
  const { journal, effect, namespace } = world
  const retention = { compactAfter: '10m' } as const
  return (await ageEntries(new Counterfoil({ journal, effects: [effect], namespace, retention }))).compacted
}

describe('an audit of compact entries', () => {
  it('knows them by their external ids, and finds no amount wrong that is not known any more', async () => {
    const world = strictWorld('compact-1')
    await made(world)
    await made(world)
    const wrong = await made(world, { amount: { minorUnits: 7, currency: 'usd', undoneMinorUnits: 0 } })
    const before = await world.counterfoil.reconcile(world.effect, world.options)
    expect(await findingsOf(before)).toMatchObject([{ kind: 'mismatch', externalId: wrong.externalId }])
    expect(await compact(world)).toBe(3)
    const report = await world.counterfoil.reconcile(world.effect, world.options)
    expect(await findingsOf(report)).toEqual([])
    expect(report.run.counts).toMatchObject({ listed: 3, matched: 3 })
  })

  it('still finds what is missing, what is live twice, and what was undone behind our back; and undoes the duplicate', async () => {
    const world = strictWorld('compact-2')
    const missing = world.newKey('missing')
    await world.record([{ key: missing, agoMs: AGO_MS, state: 'succeeded', externalId: 'ch_nowhere' }])
    const once = await made(world)
    const undone = await made(world, { state: 'undone' })
    const twin = world.plant(once.key, AGO_MS - 1_000)
    expect(await compact(world)).toBe(3)
    const auto = { maxCount: 10, maxShare: 1, maxAmount: { eur: 10_000 } }
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: { auto } })
    const found = (await findingsOf(report)).map(({ kind, code, externalId, expected }) => ({
      ...{ kind, code, externalId, expected },
    }))
    expect(found).toHaveLength(3)
    expect(found).toContainEqual({ kind: 'missing', code: 'not_listed', externalId: 'ch_nowhere', expected: null })
    expect(found).toContainEqual({ kind: 'mismatch', code: 'undone', externalId: undone.externalId, expected: null })
    expect(found).toContainEqual(expect.objectContaining({ kind: 'duplicate', externalId: twin.externalId }))
    expect(world.service.undone).toEqual([twin.externalId])
  })

  it('still knows how much of one was given back, by us and by others', async () => {
    const world = strictWorld('compact-3')
    const undone = await made(world, { amount: { minorUnits: 7, currency: 'eur', undoneMinorUnits: 1 } })
    expect(await compact(world)).toBe(1)
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    expect(await findingsOf(report)).toMatchObject([{ code: 'partly_undone', externalId: undone.externalId }])
    expect(world.service.undone).toEqual([])
  })
})

it('an audit does not look behind what is purged, where it would take what happened for orphans', async () => {
  const world = strictWorld('purged-1')
  const { journal, effect, namespace, nowMs } = world
  const counterfoil = new Counterfoil({ journal, effects: [effect], namespace, retention: { purgeAfter: '30m' } })
  await made(world)
  const scheduled = () => counterfoil.scheduleAudits(effect, { schedule: 'every 10m', since: '31m' })
  expect(scheduled).toThrow('entries are purged after 1800000 ms')
  for (const behind of [{ since: '31m' }, { from: new Date(nowMs - 31 * MINUTE_MS) }] as const) {
    const refused = counterfoil.reconcile(effect, behind)
    await expect(refused).rejects.toThrow(ConfigurationError)
    await expect(refused).rejects.toThrow('entries are purged after 1800000 ms')
  }
  const report = await counterfoil.reconcile(effect, { since: '29m', settlesWithin: '1m', clockSkew: '1s' })
  expect(report.run.counts).toMatchObject({ listed: 1, matched: 1 })
})
