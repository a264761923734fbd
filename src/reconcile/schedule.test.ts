import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { ConfigurationError } from '../protocol/index.js'
import type { AuditReport } from './index.js'
import { worldOf } from './plants.fixture.js'
import { type Ground, groundIn } from './world.fixture.js'

let database: TestDatabase
let pool: Pool
let ground: Ground
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
  ground = await groundIn(pool, 'audits')
})
afterAll(async () => {
  await ground.journal.close()
  await pool.end()
  await database.drop()
})

describe('audits on a schedule', () => {
  it('are carried out by whoever holds the audit lease, each once, and say how late they were', async () => {
    const world = await worldOf(ground, { namespace: 'scheduled', seed: 1 }, [
      'matched',
      'matched',
      'matched',
      'duplicateSameReference',
    ])
    const other = new Counterfoil({ journal: world.journal, effects: [world.effect], namespace: world.namespace })
    const reports: AuditReport[] = []
    let enough: () => void = () => undefined
    const two = new Promise<void>((resolve) => {
      enough = resolve
    })
    const { settlesWithin, clockSkew } = world.options
    const options = {
      schedule: 'every 1s' as const,
      since: '1h' as const,
      ...{ settlesWithin, clockSkew, repair: { auto: { maxCount: 100, maxShare: 1, maxAmount: { eur: 1_000_000 } } } },
      onReport: (report: AuditReport) => {
        reports.push(report)
        if (new Set(reports.map((each) => each.run.dueAtMs)).size >= 2) enough()
      },
    }
    const schedules = [
      world.counterfoil.scheduleAudits(world.effect, options),
      other.scheduleAudits(world.effect, options),
    ]
    await two
    await Promise.all(schedules.map((each) => each.stop()))
    const runs = (await world.journal.audits?.runs([{ namespace: world.namespace, effect: 'charge' }], null, 100)) ?? []
    const complete = runs.filter((each) => each.state === 'complete')
    expect(new Set(complete.map((each) => each.dueAtMs)).size).toBe(complete.length)
    expect(reports.every((each) => (each.lateMs ?? -1) >= 0)).toBe(true)
    expect(world.service.undone).toHaveLength(1)
  })

  it('look back further than to the last one', async () => {
    const world = await worldOf(ground, { namespace: 'never', seed: 1 }, [])
    const late = { schedule: 'every 1h', since: '1h' } as const
    expect(() => world.counterfoil.scheduleAudits(world.effect, late)).toThrow(/overlap/)
    for (const schedule of ['every 1ms', 'each 5m', 'every day'] as const) {
      expect(() => world.counterfoil.scheduleAudits(world.effect, { schedule: schedule as 'every 1h' })).toThrow(
        ConfigurationError,
      )
    }
  })
})
