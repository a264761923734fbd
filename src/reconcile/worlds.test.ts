import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import type { ExternalOperation, Finding } from '../protocol/index.js'
import type { AuditReport } from './index.js'
import { PLANTS, Seeded, type Truth } from './plants.fixture.js'
import { type Ground, groundIn, World } from './world.fixture.js'

let database: TestDatabase
let pool: Pool
let ground: Ground
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
  ground = await groundIn(pool, 'worlds')
})
afterAll(async () => {
  await ground.journal.close()
  await pool.end()
  await database.drop()
})

const WORLDS = 1_000
const AT_ONCE = 8

/** What an audit can find. */
const MUST_MEET = [
  'duplicate same_reference',
  'duplicate other_reference',
  'orphan no_entry',
  'orphan late_success',
  'orphan recorded_as_failed',
  'orphan other_operation',
  'missing not_listed',
  'mismatch amount',
  'mismatch currency',
  'mismatch partly_undone',
  'mismatch undone',
  'mismatch still_live',
]
const AUTO = { auto: { maxCount: 100, maxShare: 1, maxAmount: { EUR: 1_000_000 } } }

function nothingYet(): Truth {
  return { findings: [], entries: [], late: [], foreign: 0, matched: 0 }
}

/** How often each thing was planted, in all worlds; and in how many of them an operation appeared between two pages. */
const planting = new Map<string, number>()
const APPEARS = 'an operation that appears between two pages'

function count(name: string): void {
  planting.set(name, (planting.get(name) ?? 0) + 1)
}

async function planted(seed: number): Promise<{ world: World; truth: Truth; seeded: Seeded }> {
  const seeded = new Seeded(seed)
  const world = new World(ground, `world-${seed}`)
  const truth = nothingYet()
  const names = Object.keys(PLANTS)
  const plants = 4 + seeded.below(16)
  for (let i = 0; i < plants; i++) {
    const name = seeded.pick(names)
    PLANTS[name]?.(world, truth, seeded)
    count(name)
  }
  // So that a world in which everything is missing is not taken for the wrong account.
  PLANTS.matched?.(world, truth, seeded)
  await world.record(truth.entries)
  world.service.pageSize = 1 + seeded.below(9)
  world.service.byOffset = seeded.below(2) === 0
  const insertBefore = seeded.below(4)
  world.service.beforePage = (page) => {
    // An operation that appears between two pages is somebody's who is at work right now.
    if (page !== insertBefore || page === 0) return
    world.plant(world.newKey('appears'), 1_000)
    count(APPEARS)
  }
  return { world, truth, seeded }
}

async function findingsOf(report: AuditReport): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of report.findings()) findings.push(finding)
  return findings
}

function named(findings: readonly Finding[]): string[] {
  return findings.map((each) => `${each.kind} ${each.kind === 'missing' ? each.key : each.externalId}`).sort()
}

function expected({ findings }: Truth): string[] {
  return findings.map((each) => `${each.kind} ${each.about}`).sort()
}

async function inWorlds(from: number, count: number, look: (seed: number) => Promise<void>): Promise<void> {
  const seeds = Array.from({ length: count }, (_, i) => from + i)
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        try {
          await look(seed)
        } catch (error) {
          throw new Error(`In the world of seed ${seed}`, { cause: error })
        }
      }
    }),
  )
}

describe(`in ${WORLDS} planted worlds`, () => {
  it('every anomaly is found, none is invented, and the dry run changes nothing', async () => {
    const met = new Set<string>()
    planting.clear()
    let looked = 0
    await inWorlds(1, WORLDS, async (seed) => {
      const { world, truth } = await planted(seed)
      looked++
      const report = await world.counterfoil.reconcile(world.effect, world.options)
      const findings = await findingsOf(report)
      expect(named(findings)).toEqual(expected(truth))
      for (const { kind, about, code } of truth.findings) {
        met.add(`${kind} ${code}`)
        if (code === undefined) continue
        const same = findings.find((each) => each.kind === kind && [each.externalId, each.key].includes(about))
        expect(same?.code).toBe(code)
      }
      expect(report.counts).toMatchObject({ foreign: truth.foreign, matched: truth.matched, settled: 0, released: 0 })
      // What appeared at the top of the list behind the reader's back is the next audit's.
      expect(report.counts.listed).toBe(world.service.operations.filter(inWindow(world)).length)
      expect(world.service.undone).toEqual([])
      for (const key of truth.late) expect(await world.stateOf(key)).not.toBe('succeeded')
    })
    expect(looked).toBe(WORLDS)
    // What was never planted would show nothing.
    const rarest = Math.min(...[...Object.keys(PLANTS), APPEARS].map((name) => planting.get(name) ?? 0))
    expect(rarest).toBeGreaterThan(50)
    expect([...met].sort()).toEqual(expect.arrayContaining(MUST_MEET))
  }, 300_000)
})

function inWindow(world: World) {
  const fromMs = world.options.from.getTime()
  return ({ createdAtMs, key }: ExternalOperation): boolean =>
    createdAtMs >= fromMs && key?.startsWith('appears') !== true
}

describe('in 100 planted worlds that are repaired', () => {
  it('each duplicate that was seen beside its twin is undone once, late successes are settled, and nothing else is touched', async () => {
    await inWorlds(10_001, 100, async (seed) => {
      const { world, truth } = await planted(seed)
      const undoable = truth.findings
        .filter((each) => each.kind === 'duplicate')
        .map((each) => each.about)
        .sort()
      const first = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: AUTO })
      expect(named(await findingsOf(first))).toEqual(expected(truth))
      const left = new Set(
        (await findingsOf(first)).filter((each) => each.kind === 'duplicate' && each.kept?.seenLive === false),
      )
      const byHand = new Set([...left].map((each) => each.externalId))
      expect([...world.service.undone].sort()).toEqual(undoable.filter((id) => !byHand.has(id)))
      for (const key of truth.late) expect(await world.stateOf(key)).toBe('succeeded')
      const again = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: AUTO })
      expect(named(await findingsOf(again))).toEqual(named(withoutRepaired(await findingsOf(first), world)))
      for (const each of left) await world.counterfoil.approveFinding(each.id, { actor: 'a person' })
      expect([...world.service.undone].sort()).toEqual(undoable)
    })
  }, 120_000)
})

function withoutRepaired(findings: readonly Finding[], world: World): Finding[] {
  return findings.filter((each) => {
    if (each.code === 'late_success') return false
    return each.kind !== 'duplicate' || !world.service.undone.includes(each.externalId ?? '')
  })
}
