import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { moveOf, workersActs } from './histories.fixture.js'
import {
  type Capabilities,
  type Change,
  decide,
  type Entry,
  type Event,
  ProtocolViolation,
  transition,
} from './index.js'
import { Broken, PROTOCOL, type Protocol, type Rule, type Watch } from './protocol.fixture.js'
import type { Fate } from './service.fixture.js'
import { type Move, TIMEOUT_MS, World } from './world.fixture.js'

const LIMITS = { timeoutMs: TIMEOUT_MS, maxAttempts: 4, patienceMs: 0, maxFindFailures: 3 }
const KEY = { windowMs: 60, marginMs: 3 }
const FIND = { settlesWithinMs: 15 }
const SERVICES: readonly Capabilities[] = [
  { doubt: 'key', key: KEY, limits: LIMITS },
  { doubt: 'find', find: FIND, limits: LIMITS },
  { doubt: 'key_and_find', key: KEY, find: FIND, limits: LIMITS },
  { doubt: 'park', limits: LIMITS },
]
/** The same with patience. Not for mutants: one that forgets when it began may never come to rest, before it does harm. */
const PATIENT = SERVICES.map((service) => ({ ...service, limits: { ...LIMITS, patienceMs: 25 } }))

const manyMoves = fc.array(moveOf(workersActs), { minLength: 5, maxLength: 60, size: 'max' })

function play(protocol: Protocol, watch: Watch = 'every rule', services = SERVICES) {
  const history = fc.record({ service: fc.constantFrom(...services), moves: manyMoves })
  return fc.property(history, ({ service, moves }) => new World(service, protocol, watch).play(moves))
}

describe('the protocol, over random histories', () => {
  it('breaks no rule: one operation, no call without proof, no stale write, nothing dropped, nothing untrue', () => {
    fc.assert(play(PROTOCOL, 'every rule', [...SERVICES, ...PATIENT]), { numRuns: 6_000 })
  })

  it('meets what it claims to survive: every outcome, every doubt, every end occurs in these histories', () => {
    const seen = new Set<string>()
    const watching: Protocol = {
      ...PROTOCOL,
      decide: (entry, capabilities, nowMs) => {
        const step = decide(entry, capabilities, nowMs)
        seen.add(step.do === 'find' ? `find ${step.absenceProves}` : step.do)
        if (step.do === 'park') seen.add(step.reason.code)
        return step
      },
      transition: (entry, event) => {
        const change = transition(entry, event)
        const doubt = entry.inDoubtSinceMs === null ? '' : ' after a doubt'
        seen.add(event.type === 'attempt_ended' ? `${event.outcome.kind}${doubt}` : event.type)
        seen.add(change.state)
        return change
      },
    }
    fc.assert(play(watching), { numRuns: 1_500, seed: 1 })
    const expected = ['execute', 'find true', 'find false', 'park', 'attempt_started', 'found', 'postponed', 'parked']
    expected.push('found_absent', 'executed', 'rejected', 'not_executed', 'unknown')
    expected.push('executed after a doubt', 'rejected after a doubt', 'not_executed after a doubt')
    expected.push('unknown after a doubt', 'pending', 'in_doubt', 'succeeded', 'failed', 'executing')
    expected.push('find_keeps_failing', 'no_way_to_know', 'key_spent', 'key_expired', 'attempts_exhausted')
    expect(expected.filter((each) => !seen.has(each))).toEqual([])
  })
})

/** A protocol that is right but for one thing, and the rules of which one at least has to be seen broken. */
interface Mutant {
  readonly name: string
  readonly rules: readonly (Rule | 'violation')[]
  readonly protocol: Partial<Protocol>
}

function changed(mutate: (entry: Entry, event: Event, change: Change) => Partial<Change>): Partial<Protocol> {
  return {
    transition: (entry, event) => {
      const change = transition(entry, event)
      return { ...change, ...mutate(entry, event, change) }
    },
  }
}

const endedWith = (event: Event, kind: string) => event.type === 'attempt_ended' && event.outcome.kind === kind

const HARM: ReadonlySet<string> = new Set(['once', 'truth'])
const ANEW = 'the window begins anew with a call after one that was not executed'

const MUTANTS: readonly Mutant[] = [
  {
    name: 'an expired key is used again',
    rules: ['P4a', 'once'],
    protocol: {
      decide: (entry, capabilities, nowMs) =>
        decide(entry.firstSentAtMs === null ? entry : { ...entry, firstSentAtMs: nowMs }, capabilities, nowMs),
    },
  },
  {
    name: 'the window counts from the last send',
    rules: ['P4a', 'once'],
    protocol: {
      enact: (entry, change, nowMs) => ({
        ...PROTOCOL.enact(entry, change, nowMs),
        ...(change.callForMs === null ? {} : { firstSentAtMs: nowMs }),
      }),
    },
  },
  {
    name: ANEW,
    rules: ['P4a', 'once'],
    protocol: {
      claim: (entry, terms, nowMs) => {
        const taken = PROTOCOL.claim(entry, terms, nowMs)
        return entry.state === 'pending' ? { ...taken, firstSentAtMs: nowMs } : taken
      },
    },
  },
  {
    name: 'a call may begin inside the window and end outside',
    rules: ['P4a', 'once'],
    protocol: {
      decide: (entry, capabilities, nowMs) => decide(entry, capabilities, nowMs - TIMEOUT_MS),
    },
  },
  {
    name: 'a call may end exactly with the window',
    rules: ['P4a'],
    protocol: { decide: (entry, capabilities, nowMs) => decide(entry, capabilities, nowMs - 1) },
  },
  {
    name: 'a key is trusted where the service honours none',
    rules: ['P4a', 'once'],
    protocol: {
      decide: (entry, capabilities, nowMs) =>
        decide(entry, { doubt: 'key', key: KEY, limits: capabilities.limits }, nowMs),
    },
  },
  {
    name: 'an absence is believed whenever it is asked for',
    rules: ['P4b', 'once', 'truth'],
    protocol: {
      decide: (entry, capabilities, nowMs) => {
        const step = decide(entry, capabilities, nowMs)
        return step.do === 'find' ? { ...step, absenceProves: true } : step
      },
    },
  },
  {
    name: 'an absence is believed at the very last moment of visibility',
    rules: ['P4b', 'once', 'truth'],
    protocol: {
      decide: (entry, capabilities, nowMs) => {
        const step = decide(entry, capabilities, nowMs)
        return step.do === 'find' ? { ...step, absenceProves: nowMs >= step.provesFromMs } : step
      },
    },
  },
  {
    name: 'the lag of look-ups is forgotten',
    rules: ['P4b', 'once', 'truth'],
    protocol: {
      decide: (entry, capabilities, nowMs) =>
        decide(entry, 'find' in capabilities ? { ...capabilities, find: { settlesWithinMs: 0 } } : capabilities, nowMs),
    },
  },
  {
    name: 'an absence asked too early is believed all the same',
    rules: ['P4b', 'once', 'truth'],
    protocol: {
      resolveByFind: (entry, asked, result, terms) =>
        PROTOCOL.resolveByFind(entry, { ...asked, absenceProves: true }, result, terms),
    },
  },
  {
    name: 'a look-up that could not ask is taken for an absence',
    rules: ['P5', 'once', 'truth'],
    protocol: {
      resolveByFind: (entry, asked, result, terms) =>
        PROTOCOL.resolveByFind(entry, asked, result.kind === 'could_not_ask' ? { kind: 'absent' } : result, terms),
    },
  },
  {
    name: 'a repeated call that was not executed makes the entry pending in spite of the doubt',
    rules: ['P4a', 'once'],
    protocol: changed((_, event) =>
      endedWith(event, 'not_executed') ? { state: 'pending', doubt: 'clear', dueInMs: 0 } : {},
    ),
  },
  {
    name: 'a repeated call that was rejected for itself fails in spite of the doubt',
    rules: ['truth'],
    protocol: changed((_, event) =>
      endedWith(event, 'rejected') ? { state: 'failed', doubt: 'clear', dueInMs: null } : {},
    ),
  },
  {
    name: 'an unknown outcome is taken for a failure',
    rules: ['truth'],
    protocol: changed((_, event) =>
      endedWith(event, 'unknown') ? { state: 'failed', doubt: 'clear', dueInMs: null } : {},
    ),
  },
  {
    name: 'an unknown outcome is simply tried again',
    rules: ['P4a', 'once', 'truth'],
    protocol: changed((_, event) =>
      endedWith(event, 'unknown') ? { state: 'pending', doubt: 'keep', dueInMs: 0 } : {},
    ),
  },
  {
    name: "a lost worker's call is taken for one that never was",
    rules: ['P4a', 'once'],
    protocol: {
      claim: (entry, terms, nowMs) => PROTOCOL.claim({ ...entry, state: 'pending' }, terms, nowMs),
    },
  },
  {
    name: 'the end of a repeated call moves the last deadline of an earlier one',
    rules: ['P4b', 'once', 'truth'],
    protocol: {
      enact: (entry, change, nowMs) => ({
        ...PROTOCOL.enact(entry, change, nowMs),
        ...(change.callOver ? { lastDeadlineAtMs: (entry.firstSentAtMs ?? 0) + 1 } : {}),
      }),
    },
  },
  {
    name: 'a repeated call is sent without a lease',
    rules: ['P1', 'violation'],
    protocol: changed((_, event) => (event.type === 'attempt_started' ? { leaseForMs: null } : {})),
  },
  {
    name: 'the deadline of a repeated call is not written down',
    rules: ['P1', 'P4b'],
    protocol: changed((_, event) => (event.type === 'attempt_started' ? { callForMs: null } : {})),
  },
  {
    name: 'fences are not looked at',
    rules: ['P2'],
    protocol: { isHeldBy: () => true },
  },
  {
    name: 'a late copy of a write is let through after the release',
    rules: ['P2', 'P6'],
    protocol: { isHeldBy: (entry, { fence }) => entry.fence === fence },
  },
  {
    name: 'a lease that is still held is taken',
    rules: ['P2'],
    protocol: {
      isClaimable: (entry) => ['pending', 'executing', 'in_doubt'].includes(entry.state),
      claim: (entry, terms, nowMs) => PROTOCOL.claim({ ...entry, leaseUntilMs: null, dueAtMs: nowMs }, terms, nowMs),
    },
  },
  {
    name: 'a message that is delivered again begins anew after a rejection',
    rules: ['P6'],
    protocol: {
      redeliver: (entry, _, nowMs) =>
        entry.state === 'failed' ? { ...entry, state: 'pending', dueAtMs: nowMs, reason: null } : entry,
    },
  },
  {
    name: 'a doubt that could not be ended is forgotten',
    rules: ['P9'],
    protocol: changed((_, event) => (event.type === 'postponed' ? { dueInMs: null } : {})),
  },
]

function ruleOf(error: unknown): Rule | 'violation' {
  if (error instanceof ProtocolViolation) return 'violation'
  if (error instanceof Broken) return error.rule
  throw error
}

describe('these checks can fail: a protocol is caught in which', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s', (_, { protocol, rules }) => {
    const result = fc.check(play({ ...PROTOCOL, ...protocol }), { numRuns: 4_000, seed: 7, endOnFailure: true })
    expect(result.failed).toBe(true)
    expect(rules).toContain(ruleOf(result.errorInstance))
  })

  // Not only against the letter: where nobody watches over the rules, customers are charged twice or told untruths.
  const harmful = MUTANTS.filter(({ rules, name }) => rules.some((rule) => HARM.has(rule)) && name !== ANEW)
  it.each(harmful.map((mutant) => [mutant.name, mutant] as const))(
    'and it does real harm that %s',
    (_, { protocol }) => {
      const result = fc.check(play({ ...PROTOCOL, ...protocol }, 'consequences'), {
        numRuns: 8_000,
        seed: 7,
        endOnFailure: true,
      })
      expect(result.errorInstance).toBeInstanceOf(Broken)
      expect([...HARM]).toContain(ruleOf(result.errorInstance))
    },
  )

  // The harm that chance seldom finds, played: a service that met our key with a call that it turned away.
  it(`and it does real harm that ${ANEW}`, () => {
    const plain = { arrivesInMs: 1, commitsInMs: 0, showsInMs: 0, answersInMs: 2, happens: true }
    const go = (wait: Move['wait'], kind: Fate['kind'], answerArrives: boolean): Move => {
      return { worker: 0, wait, act: 'go', fate: { ...plain, kind, answerArrives } }
    }
    const turnedAway = [0, 0, 'next' as const].map((wait) => go(wait, 'turned_away', true))
    const lateAndUnanswered = [30, 0, 'next' as const].map((wait) => go(wait, 'done', false))
    const afterThePruning = [30, 0, 0, 'next' as const].map((wait) => go(wait, 'done', true))
    const moves = [...turnedAway, ...lateAndUnanswered, ...afterThePruning]
    const [service] = SERVICES
    if (service === undefined) throw new Error('no service')
    const kept = new World(service, PROTOCOL, 'every rule')
    kept.play(moves)
    expect(kept.entry).toMatchObject({ state: 'parked', reason: { code: 'key_expired' } })
    const mutant = MUTANTS.find(({ name }) => name === ANEW)
    const anew = new World(service, { ...PROTOCOL, ...mutant?.protocol }, 'consequences')
    expect(() => anew.play(moves)).toThrow(/^once: two operations/)
  })
})
