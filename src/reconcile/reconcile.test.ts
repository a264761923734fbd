import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { MemoryJournal } from '../journal/memory/index.js'
import {
  AuditIncomplete,
  AuditUnderWay,
  ConfigurationError,
  type ExternalOperation,
  type Finding,
  type ListWindow,
} from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { type AuditReport, textOf } from './index.js'
import { worldOf } from './plants.fixture.js'
import { type Ground, groundIn, MINUTE_MS, type World } from './world.fixture.js'

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

function worldWith(names: readonly string[], changes = {}): Promise<World> {
  worlds++
  return worldOf(ground, { namespace: `audit-${worlds}`, seed: worlds }, names, changes)
}

const times = (count: number, name: string): string[] => Array.from({ length: count }, () => name)

async function findingsOf(report: AuditReport): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of report.findings()) findings.push(finding)
  return findings
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

/** Audits a world whose list is `list`, and tells how that ended; whatever happened, nothing may have been undone. */
async function misled(world: World, list: (window: ListWindow) => AsyncIterable<ExternalOperation>) {
  const real = world.service.list.bind(world.service)
  world.service.list = list as typeof world.service.list
  const error = await errorOf(world.counterfoil.reconcile(world.effect, { ...world.options, repair: { auto: AUTO } }))
  world.service.list = real
  expect(error).toBeInstanceOf(AuditIncomplete)
  expect(world.service.undone).toEqual([])
  const run = await latest(world)
  expect(run).toMatchObject({ state: 'incomplete', note: { code: (error as AuditIncomplete).problem } })
  return (error as AuditIncomplete).problem
}

describe('a list that cannot be believed ends the audit, marked incomplete, with nothing repaired', () => {
  const PLANTED = [...times(20, 'matched'), 'duplicateSameReference', 'lateSuccess']

  it('when it has nothing at all, or nothing of ours', async () => {
    const world = await worldWith(PLANTED)
    expect(await misled(world, async function* () {})).toBe('listed_nothing')
    const theirs = async function* (): AsyncGenerator<ExternalOperation> {
      for (let i = 0; i < 30; i++) {
        yield { externalId: `x${i}`, reference: null, key: null, createdAtMs: world.nowMs, state: 'live', amount: null }
      }
    }
    expect(await misled(world, theirs)).toBe('listed_nothing')
  })

  it('when its seventh page fails', async () => {
    const world = await worldWith(PLANTED)
    world.service.pageSize = 3
    world.service.beforePage = (page) => {
      if (page === 6) throw new Error('HTTP 502')
    }
    expect(await misled(world, world.service.list.bind(world.service))).toBe('list_failed')
  })

  it('when it shows a page twice', async () => {
    const world = await worldWith([...PLANTED, ...times(5, 'otherPeoples')])
    const { operations } = world.service
    const twice = async function* (): AsyncGenerator<ExternalOperation> {
      yield* operations.slice(0, 10)
      yield* operations.slice(3, 10)
      yield* operations.slice(17)
    }
    expect(await misled(world, twice)).toBe('repeated_page')
    const theirs = Array.from({ length: 5 }, (_, i) => ({ ...world.plant(null, MINUTE_MS), externalId: `their-${i}` }))
    const foreignTwice = async function* (): AsyncGenerator<ExternalOperation> {
      for (;;) yield* theirs
    }
    expect(await misled(world, foreignTwice)).toBe('repeated_page')
  })

  it.each([
    ['a fraction', { minorUnits: 10.5, currency: 'eur', undoneMinorUnits: 0 }],
    ['no number', { minorUnits: Number.NaN, currency: 'eur', undoneMinorUnits: 0 }],
    ['too large to be exact', { minorUnits: 2 ** 60, currency: 'eur', undoneMinorUnits: 0 }],
    ['negative', { minorUnits: -1, currency: 'eur', undoneMinorUnits: 0 }],
    ['text', { minorUnits: '10' as unknown as number, currency: 'eur', undoneMinorUnits: 0 }],
    ['without a currency', { minorUnits: 10, currency: '', undoneMinorUnits: 0 }],
    ['without what was undone', { minorUnits: 10, currency: 'eur', undoneMinorUnits: undefined as unknown as number }],
    ['more undone than moved', { minorUnits: 10, currency: 'eur', undoneMinorUnits: 11 }],
  ])('when an amount is %s', async (_what, amount) => {
    const world = await worldWith(PLANTED)
    world.plant('odd', MINUTE_MS * 5, { amount })
    expect(await misled(world, (window) => listOf(world, window))).toBe('unreadable_operation')
  })

  it.each([
    ['has no id', { externalId: '' }],
    ['has no time', { createdAtMs: Number.NaN }],
    ['has a state that nobody knows', { state: 'settling' as 'live' }],
    ['has a reference that is no text', { reference: 7 as unknown as string }],
  ])('when an operation %s', async (_what, change) => {
    const world = await worldWith(PLANTED)
    const odd = { ...world.plant('odd', MINUTE_MS * 5), ...change }
    const list = async function* (): AsyncGenerator<ExternalOperation> {
      yield* world.service.operations.slice(0, -1)
      yield odd
    }
    expect(await misled(world, list)).toBe('unreadable_operation')
  })

  async function* listOf(world: World, { fromMs }: ListWindow): AsyncGenerator<ExternalOperation> {
    for (const each of world.service.operations) if (each.createdAtMs >= fromMs) yield each
  }
})

describe('the caps of a policy', () => {
  it('trip when a bug would flag everything: nothing is refunded, and the audit asks', async () => {
    const world = await worldWith(times(40, 'matched'))
    // The bug: another copy of every operation.
    for (const each of [...world.service.operations]) world.plant(each.key, 29 * MINUTE_MS)
    const caps = { maxCount: 1_000, maxShare: 0.05, maxAmount: { eur: 10_000_000 } }
    for (const [auto, code] of [
      [caps, 'cap_share'],
      [{ ...caps, maxShare: 1, maxCount: 39 }, 'cap_count'],
      [{ ...caps, maxShare: 1, maxAmount: { EUR: 39_999 } }, 'cap_amount'],
    ] as const) {
      const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: { auto } })
      expect(report.run.note?.code).toBe(code)
      expect(report.totals).toMatchObject([{ kind: 'duplicate', status: 'open', count: 40, minorUnits: 40_000 }])
      expect(world.service.undone).toEqual([])
    }
  })

  it('leave to a person what no cap bounds: another currency, another kind, a twin that was not seen', async () => {
    const world = await worldWith([
      ...times(5, 'matched'),
      'duplicateAcrossTheEdge',
      'orphan',
      'failedThoughItHappened',
    ])
    const key = world.service.operations[0]?.key ?? ''
    world.plant(key, 20 * MINUTE_MS, { amount: { minorUnits: 5, currency: 'usd', undoneMinorUnits: 0 } })
    world.plant(key, 20 * MINUTE_MS, { amount: null })
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: { auto: AUTO } })
    expect(await findingsOf(report)).toHaveLength(5)
    expect(world.service.undone).toEqual([])
    expect(report.totals.every((each) => each.status === 'open')).toBe(true)
  })

  it('are given whole, or refused before anything is asked', async () => {
    const world = await worldWith([])
    for (const wrong of [{ maxCount: 1.5 }, { maxShare: 2 }, { maxAmount: { eur: 0.5 } }]) {
      const repair = { auto: { ...AUTO, ...wrong } }
      expect(await errorOf(world.counterfoil.reconcile(world.effect, { repair }))).toBeInstanceOf(ConfigurationError)
    }
  })
})

describe('what a person decides', () => {
  it('is carried out once, is kept with who decided it, and stands in the next audit', async () => {
    const world = await worldWith([...times(3, 'matched'), 'duplicateSameReference', 'thrice', 'missing'])
    const ask = () => world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    const duplicates = (await findingsOf(await ask())).filter((each) => each.kind === 'duplicate')
    expect(world.service.undone).toEqual([])
    const [first, second, third] = duplicates
    const approved = await Promise.all([
      world.counterfoil.approveFinding(first?.id ?? '', { actor: 'ada' }),
      world.counterfoil.approveFinding(first?.id ?? '', { actor: 'bob' }),
    ])
    expect(world.service.undone).toEqual([first?.externalId])
    expect(approved.every((each) => each.status === 'repaired' || each.status === 'approved')).toBe(true)
    await world.counterfoil.dismissFinding(second?.id ?? '', { actor: 'ada', reason: 'they did want two' })
    const report = await ask()
    expect(world.service.undone).toEqual([first?.externalId])
    const after = await findingsOf(report)
    expect(after.find((each) => each.id === second?.id)).toMatchObject({ status: 'dismissed', decidedBy: 'ada' })
    expect(after.find((each) => each.id === third?.id)).toMatchObject({ status: 'open' })
    expect(after.some((each) => each.id === first?.id)).toBe(false)
    const missing = after.find((each) => each.kind === 'missing')
    expect(await errorOf(world.counterfoil.approveFinding(missing?.id ?? '', { actor: 'ada' }))).toBeInstanceOf(
      ConfigurationError,
    )
    expect(await errorOf(world.counterfoil.approveFinding(third?.id ?? '', { actor: '' }))).toBeInstanceOf(
      ConfigurationError,
    )
  })

  it('does not undo the last one that is left: the kept one was refunded meanwhile', async () => {
    const world = await worldWith([...times(3, 'matched'), 'duplicateSameReference'])
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    const [finding] = await findingsOf(report)
    await world.counterfoil.compensate(world.effect, finding?.key ?? '', { reason: 'the customer asked' })
    const after = await world.counterfoil.approveFinding(finding?.id ?? '', { actor: 'ada' })
    expect(after).toMatchObject({ status: 'open', note: expect.stringContaining('nothing would be left') })
    expect(world.service.undone).toEqual([finding?.kept?.externalId])
  })

  it('is told when the service refuses, and stays told', async () => {
    const world = await worldWith([...times(3, 'matched'), 'duplicateSameReference'])
    const { Rejected } = await import('../protocol/index.js')
    world.service.undo = () => {
      throw new Rejected('too_old', 'It is too old to be refunded.')
    }
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: { auto: AUTO } })
    expect(await findingsOf(report)).toMatchObject([{ status: 'refused', note: expect.stringContaining('too old') }])
  })
})

describe('two audits of one effect at once', () => {
  it('are one, with one report for both', async () => {
    const world = await worldWith([...times(10, 'matched'), 'duplicateSameReference'])
    let lists = 0
    const list = world.service.list.bind(world.service)
    world.service.list = (window) => {
      lists++
      return list(window)
    }
    const other = new Counterfoil({ journal: world.journal, effects: [world.effect], namespace: world.namespace })
    const options = { ...world.options, repair: { auto: AUTO } }
    const reports = await Promise.all([
      world.counterfoil.reconcile(world.effect, options),
      other.reconcile(world.effect, options),
    ])
    expect(new Set(reports.map((each) => each.run.id)).size).toBe(1)
    expect(lists).toBe(1)
    expect(world.service.undone).toHaveLength(1)
  })

  it('that ask for different things are not: the second is told', async () => {
    const world = await worldWith(times(10, 'matched'))
    let listing: () => void = () => undefined
    const begun = new Promise<void>((resolve) => {
      listing = resolve
    })
    let goOn: () => void = () => undefined
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const list = world.service.list.bind(world.service)
    world.service.list = async function* (window) {
      listing()
      await waiting
      yield* list(window)
    }
    const first = world.counterfoil.reconcile(world.effect, world.options)
    await begun
    const second = world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    expect(await errorOf(second)).toBeInstanceOf(AuditUnderWay)
    goOn()
    expect((await first).run.state).toBe('complete')
  })
})

describe('a doubt that the list proves empty', () => {
  it('is left alone unless told otherwise, and then may be tried again', async () => {
    const world = await worldWith([...times(3, 'matched'), 'doubtWithoutTrace', 'lateSuccess'])
    const key = (await parkedKey(world)) ?? ''
    await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    expect(await world.stateOf(key)).toBe('parked')
    const report = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask', absent: 'retry' })
    expect(report.counts).toMatchObject({ released: 1 })
    expect(await world.stateOf(key)).toBe('pending')
  })

  async function parkedKey(world: World): Promise<string | undefined> {
    const { rows } = await pool.query<{ key: string }>(
      "SELECT key FROM audits.entries WHERE namespace = $1 AND key LIKE 'doubt%'",
      [world.namespace],
    )
    return rows[0]?.key
  }
})

describe('a report', () => {
  it('is saved, and is given as JSON, as CSV and as a page without a script', async () => {
    const world = await worldWith([...times(3, 'matched'), 'wrongAmount', 'missing'])
    const evil = '=HYPERLINK("http://x"),<script>alert(1)</script>'
    const operation = world.plant(evil, 30 * MINUTE_MS)
    const { run } = await world.counterfoil.reconcile(world.effect, { ...world.options, repair: 'ask' })
    const report = await world.counterfoil.auditReport(run.id)
    if (report === null) throw new Error('The report must be saved.')
    expect(report.run).toEqual({ ...run, resumed: false })
    const json = JSON.parse(await textOf(report.json()))
    expect(json).toMatchObject({ run: { id: run.id, state: 'complete' }, durationMs: expect.any(Number) })
    expect(json.findings.map((each: Finding) => each.kind).sort()).toEqual(['mismatch', 'missing', 'orphan'])
    const csv = await textOf(report.csv())
    expect(csv.trim().split('\r\n')).toHaveLength(4)
    expect(csv).toContain(`"'=HYPERLINK(""http://x""),<script>alert(1)</script>"`)
    const page = await textOf(report.html())
    expect(page).not.toMatch(/<script|https?:\/\/(?!x)|src=|<link/)
    expect(page).toContain(operation.externalId)
    expect(page).toMatch(/<html lang="en">/)
    expect(page.match(/<th scope="(col|row)"/g)?.length).toBeGreaterThan(7)
    expect(report.totals.map((each) => [each.kind, each.currency, each.count])).toEqual([
      ['mismatch', 'eur', 1],
      ['missing', 'eur', 1],
      ['orphan', 'eur', 1],
    ])
  })
})

describe('an audit that cannot be', () => {
  it('says why before anything is asked', async () => {
    const world = await worldWith([], { list: undefined })
    expect(await errorOf(world.counterfoil.reconcile(world.effect))).toMatchObject({ code: 'configuration' })
    const memory = new MemoryJournal({ clock: realClock })
    const listing = await worldWith([])
    const without = new Counterfoil({ journal: memory, effects: [listing.effect as never] })
    expect(await errorOf(without.reconcile(listing.effect as never))).toMatchObject({ code: 'configuration' })
    const both = { from: new Date(), since: '1h' } as const
    expect(await errorOf(listing.counterfoil.reconcile(listing.effect, both))).toMatchObject({ code: 'configuration' })
  })
})
