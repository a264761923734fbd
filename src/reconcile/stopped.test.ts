import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { AuditIncomplete } from '../protocol/index.js'
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
const AUTO = { maxCount: 100, maxShare: 1, maxAmount: { eur: 1_000_000 } }

function worldWith(...names: readonly string[]): Promise<World> {
  worlds++
  return worldOf(ground, { namespace: `stopped-${worlds}`, seed: worlds }, names)
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error('It was expected to throw, and did not.')),
    (error: unknown) => error,
  )
}

async function latest(world: World) {
  return (await world.journal.audits?.runs([{ namespace: world.namespace, effect: 'charge' }], null, 1))?.[0]
}

function signalled(): { readonly given: Promise<void>; readonly give: () => void } {
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}

/** Resolves when whoever asks for an audit next has looked which one there is. */
function nextLookAt({ journal: { audits } }: World): Promise<void> {
  if (audits === null) throw new Error('This journal keeps no audits.')
  const looked = signalled()
  const runs = audits.runs.bind(audits)
  audits.runs = async (...asked) => {
    const rows = await runs(...asked)
    audits.runs = runs
    looked.give()
    return rows
  }
  return looked.given
}

const PLANTED = [...Array.from({ length: 9 }, () => 'matched'), 'duplicateSameReference', 'duplicateSameReference']

describe('an audit that its caller stops is incomplete', () => {
  it('while it lists, with nothing repaired', async () => {
    const world = await worldWith(...PLANTED)
    const stop = new AbortController()
    const list = world.service.list.bind(world.service)
    world.service.list = async function* (window) {
      yield* list(window)
      stop.abort()
    }
    const options = { ...world.options, repair: { auto: AUTO }, signal: stop.signal }
    const stopped = await errorOf(world.counterfoil.reconcile(world.effect, options))
    expect(stopped).toBeInstanceOf(AuditIncomplete)
    expect(stopped).toMatchObject({ problem: 'stopped', message: expect.stringContaining('nothing was repaired') })
    expect(await latest(world)).toMatchObject({ state: 'incomplete' })
    expect(world.service.undone).toEqual([])
  })

  it('amid its repairs, and says that these stand, in the same words to all who asked for it', async () => {
    const world = await worldWith(...PLANTED)
    const stop = new AbortController()
    const undo = world.service.undo.bind(world.service)
    world.service.undo = (request) => {
      stop.abort()
      return undo(request)
    }
    const listing = signalled()
    const goOn = signalled()
    const list = world.service.list.bind(world.service)
    world.service.list = async function* (window) {
      listing.give()
      await goOn.given
      yield* list(window)
    }
    const options = { ...world.options, repair: { auto: AUTO } }
    const first = errorOf(world.counterfoil.reconcile(world.effect, { ...options, signal: stop.signal }))
    await listing.given
    const looked = nextLookAt(world)
    const joined = errorOf(world.counterfoil.reconcile(world.effect, options))
    await looked
    goOn.give()
    const [stopped, joins] = (await Promise.all([first, joined])) as [AuditIncomplete, AuditIncomplete]
    expect(stopped).toMatchObject({
      problem: 'stopped',
      message: expect.stringContaining('what it had settled or repaired by then stands'),
    })
    expect(stopped.message).not.toContain('nothing was repaired')
    expect(joins).toMatchObject({ problem: 'stopped', message: stopped.message })
    expect(await latest(world)).toMatchObject({ state: 'incomplete', note: { code: 'stopped' } })
    expect(world.service.undone).toHaveLength(1)
  })
})
