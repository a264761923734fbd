import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { scenarioOf } from './draw-scenario.js'
import { explore, SMALL_WORLDS } from './exhaustive/index.js'
import { Visited } from './exhaustive/visited.js'
import { FAULTS } from './faults.js'
import { describe as describeHistory } from './report.js'
import { simulate, tell } from './run.js'
import { DOUBTS, type Scenario } from './scenario.js'
import { shrink } from './shrink.js'

// Errors are thrown by the thousand here, and nobody reads where from.
const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 0
  vi.setConfig({ testTimeout: 120_000 })
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
})

describe('histories by chance', () => {
  const SEEDS = 250
  const struck = new Set<string>()

  test.each(DOUBTS)('no history of a service with the capability %s breaks an invariant', async (doubt) => {
    const summary = await simulate({ firstSeed: 1, seeds: SEEDS, doubt })
    expect(summary.violations).toEqual([])
    expect(summary.histories).toBe(SEEDS)
    expect(summary.ends.succeeded).toBeGreaterThan(0)
    for (const kind of Object.keys(summary.struck)) struck.add(kind)
  })

  test('every kind of fault has struck', () => {
    expect([...struck].sort()).toEqual([...FAULTS].sort())
  })
})

test('a rejection that a worker could not write down is not taken for one when it writes of its next call', async () => {
  expect((await simulate({ firstSeed: 7178, seeds: 1 })).violations).toEqual([])
})

describe('a seed', () => {
  test('plays the same history again, line by line', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const once = await describeHistory(scenarioOf(seed))
      expect(once.split('\n').length).toBeGreaterThan(10)
      expect(await describeHistory(scenarioOf(seed))).toBe(once)
    }
  })

  test('plays the same history alone as among others', async () => {
    const among = await simulate({ firstSeed: 1, seeds: 40 })
    let steps = 0
    for (let seed = 1; seed <= 40; seed++) steps += (await simulate({ firstSeed: seed, seeds: 1 })).steps
    expect(steps).toBe(among.steps)
  })
})

/** A service that has forgotten a key long before its promised window is over: outside of what I1 rests on. */
function forgetful(seed: number): Scenario {
  const scenario = scenarioOf(seed, 'key')
  return { ...scenario, terms: { ...scenario.terms, prunesAfterMs: 1 } }
}

async function firstFailure(): Promise<Scenario> {
  for (let seed = 1; seed <= 500; seed++) {
    const scenario = forgetful(seed)
    if ((await tell(scenario)).violation?.invariant === 'I1 one operation per key') return scenario
  }
  throw new Error('No history was broken by a service that breaks its promise: the rules see nothing.')
}

test('a service that breaks its promise is found to be charged twice, and the history shrinks to what it takes', async () => {
  const scenario = await firstFailure()
  const before = await tell(scenario)
  const smallest = await shrink(scenario)
  const after = await tell(smallest)
  expect(after.violation?.invariant).toBe('I1 one operation per key')
  expect(after.struck.length).toBeLessThanOrEqual(before.struck.length)
  expect(after.lines.length).toBeLessThan(before.lines.length)
  // Each fault that is left is needed.
  for (const fault of after.struck) {
    const without = await tell({ ...smallest, without: new Set([...smallest.without, fault]) })
    expect(without.violation?.invariant).not.toBe('I1 one operation per key')
  }
})

describe('small worlds', () => {
  const QUICK = SMALL_WORLDS.filter(({ name }) =>
    /loops find one enqueued key; 2 crashes|^key: .*(one customer; 1 crashes, 0|undo it at once; 0 crashes|message comes .*transaction is lost; 2 crashes)/.test(
      name,
    ),
  )

  // So many schedules take as long as the machine is slow.
  const timeout = 180_000
  test.each(QUICK.map((world) => [world.name, world] as const))(
    '%s: every schedule holds',
    { timeout },
    async (_, world) => {
      const { violations, complete, states, schedules } = await explore(world)
      expect(violations).toEqual([])
      expect(complete).toBe(true)
      expect(Math.min(states, schedules)).toBeGreaterThan(100)
    },
  )

  test('there is one of each capability, one that takes turns, and one that undoes', () => {
    const terms = QUICK.map(({ scenario }) => scenario.terms)
    expect([...new Set(terms.map(({ doubt }) => doubt))].sort()).toEqual([...DOUBTS].sort())
    expect(terms.some(({ serialized }) => serialized)).toBe(true)
    expect(terms.some(({ undoable }) => undoable)).toBe(true)
  })

  test('each has a name of its own, two crashes or faults or changes of order, and some have two crashes and two faults', () => {
    expect(new Set(SMALL_WORLDS.map(({ name }) => name)).size).toBe(SMALL_WORLDS.length)
    for (const { budget } of SMALL_WORLDS) {
      expect(budget.crashes + budget.faults + budget.delays).toBeGreaterThanOrEqual(2)
    }
    const all = SMALL_WORLDS.filter(({ budget }) => budget.crashes === 2 && budget.faults === 2 && budget.inAll === 4)
    expect(all.map(({ scenario }) => scenario.terms.doubt).sort()).toEqual([...DOUBTS].sort())
  })

  test('a service that breaks its promise is found out in one, with the choices that lead there', async () => {
    const world = SMALL_WORLDS.find(({ name }) => name.startsWith('key: two loops find one enqueued key; 0 crashes'))
    if (world === undefined) throw new Error('There is no such world.')
    const terms = { ...world.scenario.terms, prunesAfterMs: 1 }
    const { violations } = await explore({ ...world, scenario: { ...world.scenario, terms } })
    expect(violations.map(({ invariant }) => invariant)).toContain('I1 one operation per key')
    expect(violations[0]?.lines.join('\n')).toMatch(/has forgotten the key/)
  })

  test('a state that was met with more left to spend is known, and with less of anything is not', () => {
    const visited = new Visited()
    const left = { crashes: 1, faults: 1, delays: 1, inAll: 2, times: 'both' } as const
    expect(visited.covers(7, left)).toBe(false)
    expect(visited.covers(7, left)).toBe(true)
    expect(visited.covers(7, { ...left, delays: 0 })).toBe(true)
    expect(visited.covers(8, left)).toBe(false)
    expect(visited.covers(7, { ...left, faults: 0, crashes: 2 })).toBe(false)
    expect(visited.covers(7, { ...left, inAll: 3 })).toBe(false)
    expect(visited.covers(7, { ...left, inAll: 3 })).toBe(true)
    expect(visited.size).toBe(2)
  })
})
