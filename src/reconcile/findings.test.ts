import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { ConfigurationError, type Finding, Rejected } from '../protocol/index.js'
import { worldOf } from './plants.fixture.js'
import { type Ground, groundIn, type World } from './world.fixture.js'

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

let worlds = 0

function worldWith(...names: readonly string[]): Promise<World> {
  worlds++
  return worldOf(ground, { namespace: `findings-${worlds}`, seed: worlds }, names)
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error('It was expected to throw, and did not.')),
    (error: unknown) => error,
  )
}

/** The one finding of an audit that asks: an operation too many. */
async function found(world: World): Promise<Finding> {
  const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
  for await (const finding of report.findings()) return finding
  throw new Error('It was expected to find something, and did not.')
}

const PLANTED = ['matched', 'matched', 'matched', 'duplicateSameReference']

describe('a finding', () => {
  it('that is repaired stays so: approving it again changes nothing, and no dismissal takes it back', async () => {
    const world = await worldWith(...PLANTED)
    const { id } = await found(world)
    await world.counterfoil.approveFinding(id, { actor: 'ada' })
    expect(await world.counterfoil.approveFinding(id, { actor: 'bob' })).toMatchObject({
      status: 'repaired',
      decidedBy: 'ada',
    })
    const dismissed = await errorOf(world.counterfoil.dismissFinding(id, { actor: 'ada', reason: 'they wanted two' }))
    expect(dismissed).toBeInstanceOf(ConfigurationError)
    expect(String(dismissed)).toContain('is repaired')
    expect(world.service.undone).toHaveLength(1)
  })

  it('that the service refused to undo cannot be approved again, and can be dismissed', async () => {
    const world = await worldWith(...PLANTED)
    world.service.undo = () => {
      throw new Rejected('too_old', 'It is too old to be refunded.')
    }
    const { id } = await found(world)
    expect(await world.counterfoil.approveFinding(id, { actor: 'ada' })).toMatchObject({ status: 'refused' })
    const again = await errorOf(world.counterfoil.approveFinding(id, { actor: 'ada' }))
    expect(again).toBeInstanceOf(ConfigurationError)
    expect(String(again)).toMatch(/has refused to undo.*too old/)
    const dismissed = await world.counterfoil.dismissFinding(id, { actor: 'ada', reason: 'undone by hand' })
    expect(dismissed).toMatchObject({ status: 'dismissed', note: 'undone by hand' })
  })

  it('is dismissed with a reason, once: the first decision stays', async () => {
    const world = await worldWith(...PLANTED)
    const { id } = await found(world)
    const dismiss = (actor: string, reason: string) => world.counterfoil.dismissFinding(id, { actor, reason })
    const without = await errorOf(dismiss('ada', ''))
    expect(without).toBeInstanceOf(ConfigurationError)
    expect(String(without)).toContain('`reason` is empty')
    await dismiss('ada', 'they wanted two')
    expect(await dismiss('bob', 'so they did')).toMatchObject({ decidedBy: 'ada', note: 'they wanted two' })
  })

  it('that is approved for later sends nothing, and is repaired once when it is told to be', async () => {
    const world = await worldWith(...PLANTED)
    const { id } = await found(world)
    const unapproved = await errorOf(world.counterfoil.repairFinding(id))
    expect(unapproved).toBeInstanceOf(ConfigurationError)
    expect(String(unapproved)).toMatch(/is open, not approved. Nothing was sent/)
    const approved = await world.counterfoil.approveFinding(id, { actor: 'ada', repair: 'later' })
    expect(approved).toMatchObject({ status: 'approved', decidedBy: 'ada' })
    expect(world.service.undone).toEqual([])
    await Promise.all([world.counterfoil.repairFinding(id), world.counterfoil.repairFinding(id)])
    expect(await world.counterfoil.repairFinding(id)).toMatchObject({ status: 'repaired', decidedBy: 'ada' })
    expect(world.service.undone).toHaveLength(1)
  })

  it('is none of an application in another namespace, whose effect has the same name', async () => {
    const [world, other] = [await worldWith(...PLANTED), await worldWith(...PLANTED)]
    const { id, firstRunId: runId } = await found(world)
    expect(await other.counterfoil.finding(id)).toBeNull()
    expect(await other.counterfoil.findings()).toEqual([])
    expect(await other.counterfoil.auditReport(runId)).toBeNull()
    const errors = await Promise.all(
      [
        other.counterfoil.approveFinding(id, { actor: 'ada' }),
        other.counterfoil.dismissFinding(id, { actor: 'ada', reason: 'not ours' }),
        other.counterfoil.repairFinding(id),
        other.counterfoil.findings({ runId }),
      ].map(errorOf),
    )
    for (const error of errors) expect(error).toBeInstanceOf(ConfigurationError)
    expect(await world.counterfoil.findings()).toMatchObject([{ id, status: 'open' }])
    expect(other.service.undone).toEqual([])
  })
})
