import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { moveOf, workersActs } from './histories.fixture.js'
import { type Capabilities, resumeByFind, resumeByKey, resumeChange } from './index.js'
import { Broken, PROTOCOL, type Protocol, type Rule, type Watch } from './protocol.fixture.js'
import type { Fate } from './service.fixture.js'
import { type Move, TIMEOUT_MS, World } from './world.fixture.js'

// Little patience, so that much is parked, and some of it while a call may still show.
const LIMITS = { timeoutMs: TIMEOUT_MS, maxAttempts: 2, patienceMs: 0, maxFindFailures: 1 }
const KEY = { windowMs: 60, marginMs: 3 }
const FIND = { settlesWithinMs: 15 }
const SERVICES: readonly Capabilities[] = [
  { doubt: 'key', key: KEY, limits: LIMITS },
  { doubt: 'find', find: FIND, limits: LIMITS },
  { doubt: 'key_and_find', key: KEY, find: FIND, limits: LIMITS },
  { doubt: 'park', limits: LIMITS },
]

const PLAIN: Fate = {
  kind: 'done',
  arrivesInMs: 1,
  commitsInMs: 0,
  showsInMs: 0,
  answersInMs: 2,
  answerArrives: true,
  happens: true,
}

const acts: fc.Arbitrary<Move['act']> = fc.oneof(
  { weight: 16, arbitrary: workersActs },
  { weight: 8, arbitrary: fc.constant('resume' as const) },
  { weight: 2, arbitrary: fc.constant('resume_in_vain' as const) },
  { weight: 6, arbitrary: fc.constant('cannot_ask' as const) },
)

function play(protocol: Protocol, watch: Watch = 'every rule') {
  const moves = fc.array(moveOf(acts), { minLength: 10, maxLength: 80, size: 'max' })
  const history = fc.record({ service: fc.constantFrom(...SERVICES), moves })
  return fc.property(history, ({ service, moves: played }) => new World(service, protocol, watch).play(played))
}

type Mutant = readonly [name: string, rules: readonly Rule[], protocol: Partial<Protocol>]

/** Ways to take a person's word for more than it is. */
const MUTANTS: readonly [Mutant, ...Mutant[]] = [
  [
    'an absence that a person asked for too early is believed',
    ['P4b', 'once', 'truth'],
    {
      resumeByFind: (entry, { result }, by) => resumeByFind(entry, { result, proven: result.kind === 'absent' }, by),
    },
  ],
  [
    'a look-up of a person’s that could not ask is taken for an absence',
    ['P5', 'P4b', 'once', 'truth'],
    {
      resumeByFind: (entry, answer, by) =>
        answer.result.kind === 'could_not_ask'
          ? resumeChange(entry, { ...by, proof: 'absence' })
          : resumeByFind(entry, answer, by),
    },
  ],
  [
    'what was found is called again on a person’s word',
    ['P5', 'P4b', 'once'],
    { resumeByFind: (entry, _answer, by) => resumeChange(entry, { ...by, proof: 'absence' }) },
  ],
  [
    'a key is taken for proof that it did not happen',
    ['P4a', 'once', 'truth'],
    { resumeByKey: (entry, _, by) => ({ change: resumeChange(entry, { ...by, proof: 'absence' }) }) },
  ],
]

describe('a person who has parked entries tried again, over random histories', () => {
  it('breaks no rule, whenever it asks and however long it takes to say the word', () => {
    fc.assert(play(PROTOCOL), { numRuns: 4_000 })
  })

  it('meets what it claims to survive: known and proven absences, what was found, what its key protects, and answers that say too little', () => {
    const seen = new Set<string>()
    const watching: Protocol = {
      ...PROTOCOL,
      resumeChange: (entry, order) => {
        seen.add(order.proof)
        return resumeChange(entry, order)
      },
      resumeByFind: (entry, answer, by) => {
        const change = resumeByFind(entry, answer, by)
        seen.add(`${answer.result.kind}${answer.proven ? ' proven' : ''}: ${change?.state ?? 'nothing'}`)
        return change
      },
      resumeByKey: (entry, capabilities, by, nowMs) => {
        const resumed = resumeByKey(entry, capabilities, by, nowMs)
        seen.add(`key: ${resumed.change === null ? resumed.reason.code : resumed.change.state}`)
        return resumed
      },
    }
    fc.assert(play(watching), { numRuns: 2_000, seed: 1 })
    const expected = [
      'known',
      'absent proven: pending',
      'absent: nothing',
      'present: succeeded',
      'could_not_ask: nothing',
    ]
    const byKey = ['in_doubt', 'key_expired', 'key_spent', 'no_way_to_know'].map((each) => `key: ${each}`)
    expect([...expected, ...byKey].filter((each) => !seen.has(each))).toEqual([])
  })

  it.each(MUTANTS)('these checks can fail: %s', (_, rules, mutant) => {
    const result = fc.check(play({ ...PROTOCOL, ...mutant }), { numRuns: 4_000, seed: 7, endOnFailure: true })
    expect(result.errorInstance).toBeInstanceOf(Broken)
    expect(rules).toContain((result.errorInstance as Broken).rule)
  })

  const [[TOO_EARLY, , believing], ...others] = MUTANTS

  it.each(others)('and it does real harm that %s', (_, __, mutant) => {
    const result = fc.check(play({ ...PROTOCOL, ...mutant }, 'consequences'), {
      numRuns: 8_000,
      seed: 7,
      endOnFailure: true,
    })
    expect(['once', 'truth']).toContain((result.errorInstance as Broken | null)?.rule)
  })

  // The harm that chance seldom finds, played: a call that shows only after the person asked.
  it(`and it does real harm that ${TOO_EARLY}`, () => {
    const late: Fate = { ...PLAIN, arrivesInMs: 8, commitsInMs: 12, answerArrives: false }
    const step = (wait: Move['wait'], act: Move['act'] = 'go', fate = PLAIN): Move => ({ worker: 0, wait, act, fate })
    const lost = [step(0), step(0, 'go', late), step('next')]
    const parked = [step('next'), step(0, 'cannot_ask'), step(0), step('next'), step(0)]
    const moves = [...lost, ...parked, step(0, 'resume'), step(0, 'resume'), step(0), step(0), step('next')]
    const service: Capabilities = { doubt: 'find', find: FIND, limits: LIMITS }
    const kept = new World(service, PROTOCOL, 'every rule')
    kept.play(moves)
    expect(kept.entry).toMatchObject({ state: 'parked', reason: { code: 'find_keeps_failing' } })
    const mutant = new World(service, { ...PROTOCOL, ...believing }, 'consequences')
    expect(() => mutant.play(moves)).toThrow(/^once: two operations/)
  })
})
