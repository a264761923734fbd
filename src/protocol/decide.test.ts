import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Capabilities, decide, type Entry, keyProtectsNextCall, STATES, type State, type Step } from './index.js'
import { CAPABILITIES, entryIn, FIND, KEY, LIMITS, NOW, OTHER } from './samples.fixture.js'

/**
 * One case in words: how things stand, without a single number. The numbers follow from the words, and what must be
 * done is read from the words alone, so that the arithmetic of `decide` is checked by something that has none.
 */
interface Case {
  readonly state: State
  readonly can: Capabilities['doubt']
  readonly attempts: 'some left' | 'none left' | 'more than allowed'
  /** The present, against the end of the time for which no number of calls is too many. */
  readonly patience: 'lasts 1 ms more' | 'is over'
  readonly keySpent: boolean
  /** When the next call would end, against the window of the key less its margin. */
  readonly nextCallEnds: 'long before' | '1 ms before' | 'exactly at' | '1 ms after' | 'nothing was ever sent'
  /** The present, against the last moment at which an earlier call can still become visible. */
  readonly now: '1 ms before' | 'exactly at' | '1 ms after' | 'long after' | 'no deadline is known'
  readonly lookUpsThatFailed: 'none' | 'one less than allowed' | 'as many as allowed' | 'more than allowed'
  readonly lease: 'held' | 'over' | 'none'
}

const DIMENSIONS: { readonly [Name in keyof Case]: readonly Case[Name][] } = {
  state: STATES,
  can: ['key', 'find', 'key_and_find', 'park'],
  attempts: ['some left', 'none left', 'more than allowed'],
  patience: ['lasts 1 ms more', 'is over'],
  keySpent: [false, true],
  nextCallEnds: ['long before', '1 ms before', 'exactly at', '1 ms after', 'nothing was ever sent'],
  now: ['1 ms before', 'exactly at', '1 ms after', 'long after', 'no deadline is known'],
  lookUpsThatFailed: ['none', 'one less than allowed', 'as many as allowed', 'more than allowed'],
  lease: ['held', 'over', 'none'],
}

function everyCaseOf(state: State): readonly Case[] {
  const names = (Object.keys(DIMENSIONS) as (keyof Case)[]).filter((name) => name !== 'state')
  const combinations = names.reduce<object[]>(
    (shorter, name) => DIMENSIONS[name].flatMap((value) => shorter.map((chosen) => ({ ...chosen, [name]: value }))),
    [{ state }],
  )
  return combinations as Case[]
}

const ATTEMPTS = { 'some left': LIMITS.maxAttempts - 1, 'none left': LIMITS.maxAttempts, 'more than allowed': 9 }
const FAILURES = {
  none: 0,
  'one less than allowed': LIMITS.maxFindFailures - 1,
  'as many as allowed': LIMITS.maxFindFailures,
  'more than allowed': 9,
}
const safeForMs = KEY.windowMs - KEY.marginMs
const lastsUntil = (endMs: number) => endMs - safeForMs
const FIRST_SENT = {
  'long before': NOW - 1,
  '1 ms before': lastsUntil(NOW + LIMITS.timeoutMs + 1),
  'exactly at': lastsUntil(NOW + LIMITS.timeoutMs),
  '1 ms after': lastsUntil(NOW + LIMITS.timeoutMs - 1),
  'nothing was ever sent': null,
}
const LAST_DEADLINE = {
  '1 ms before': NOW + 1 - FIND.settlesWithinMs,
  'exactly at': NOW - FIND.settlesWithinMs,
  '1 ms after': NOW - 1 - FIND.settlesWithinMs,
  'long after': NOW - 10 * FIND.settlesWithinMs,
  'no deadline is known': null,
}
const LOOKS = Object.fromEntries(STATES.map((state) => [state, entryIn(state)])) as Record<State, Entry>
const LEASE = { held: NOW + 10, over: NOW, none: null }

function entryOf(at: Case): Entry {
  return {
    ...LOOKS[at.state],
    attempts: ATTEMPTS[at.attempts],
    keySpent: at.keySpent,
    firstSentAtMs: FIRST_SENT[at.nextCallEnds],
    lastDeadlineAtMs: LAST_DEADLINE[at.now],
    findFailures: FAILURES[at.lookUpsThatFailed],
    leaseUntilMs: LEASE[at.lease],
  }
}

function capabilitiesAt(at: Case): Capabilities {
  const sinceFirstMs = NOW - (FIRST_SENT[at.nextCallEnds] ?? NOW)
  const patienceMs = at.patience === 'is over' ? sinceFirstMs : sinceFirstMs + 1
  return { ...CAPABILITIES[at.can], limits: { ...LIMITS, patienceMs } }
}

// P4, in prose.
const serviceHonoursOurKey = (at: Case) => at.can === 'key' || at.can === 'key_and_find'
const serviceCanBeAsked = (at: Case) => at.can === 'find' || at.can === 'key_and_find'
const wholeCallFitsTheWindow = (at: Case) => at.nextCallEnds === 'long before' || at.nextCallEnds === '1 ms before'
const theKeyMakesItSafe = (at: Case) => serviceHonoursOurKey(at) && !at.keySpent && wholeCallFitsTheWindow(at)
const anotherCallIsAllowed = (at: Case) =>
  at.attempts === 'some left' || (at.patience === 'lasts 1 ms more' && !at.keySpent)
const lookingUpStillMakesSense = (at: Case) =>
  at.lookUpsThatFailed === 'none' || at.lookUpsThatFailed === 'one less than allowed'
const nothingCanBecomeVisibleAnyMore = (at: Case) => at.now === '1 ms after' || at.now === 'long after'

type Told = Exclude<Step, { do: 'park' }> | { readonly do: 'park'; readonly code: string }

function whatMustBeDone(at: Case): Told {
  switch (at.state) {
    case 'succeeded':
    case 'failed':
    case 'parked':
    case 'compensated':
      return { do: 'answer' }
    case 'pending':
      return { do: 'execute', proof: 'never_executed' }
    case 'executing':
    case 'compensating':
      return { do: 'await_holder', untilMs: LEASE[at.lease] ?? NOW }
    case 'in_doubt':
      return whatDoubtAllows(at)
  }
}

function whatDoubtAllows(at: Case): Told {
  if (anotherCallIsAllowed(at) && theKeyMakesItSafe(at)) return { do: 'execute', proof: 'key' }
  if (serviceCanBeAsked(at)) {
    if (!lookingUpStillMakesSense(at)) return { do: 'park', code: 'find_keeps_failing' }
    const provesFromMs = (LAST_DEADLINE[at.now] ?? NOW) + FIND.settlesWithinMs
    return { do: 'find', absenceProves: nothingCanBecomeVisibleAnyMore(at), provesFromMs }
  }
  if (!serviceHonoursOurKey(at)) return { do: 'park', code: 'no_way_to_know' }
  if (!anotherCallIsAllowed(at)) return { do: 'park', code: 'attempts_exhausted' }
  return { do: 'park', code: at.keySpent ? 'key_spent' : 'key_expired' }
}

function told(step: Step): Told {
  return step.do === 'park' ? { do: 'park', code: step.reason.code } : step
}

describe('decide', () => {
  it.each(STATES)('takes the one safe step in every case of state %s', (state) => {
    let cases = 0
    const wrong: unknown[] = []
    for (const at of everyCaseOf(state)) {
      cases++
      const step = told(decide(entryOf(at), capabilitiesAt(at), NOW))
      const must = whatMustBeDone(at)
      if (!isDeepStrictEqual(step, must)) wrong.push({ at, step, must })
    }
    expect(wrong).toEqual([])
    expect(cases).toBe(4 * 3 * 2 * 2 * 5 * 5 * 4 * 3)
  })

  it('never calls out of doubt without proof, whatever else holds', () => {
    const wrong: Case[] = []
    for (const at of everyCaseOf('in_doubt')) {
      const step = decide(entryOf(at), capabilitiesAt(at), NOW)
      if (step.do === 'execute' && !theKeyMakesItSafe(at)) wrong.push(at)
      if (step.do === 'find' && step.absenceProves && !nothingCanBecomeVisibleAnyMore(at)) wrong.push(at)
    }
    expect(wrong).toEqual([])
  })

  it('gives every reason for parking in a sentence, with the last word of the service', () => {
    const exhausted = decide(entryIn('in_doubt', { attempts: 3 }), CAPABILITIES.key, NOW)
    expect(exhausted).toMatchObject({ do: 'park', reason: { code: 'attempts_exhausted' } })
    if (exhausted.do === 'park') expect(exhausted.reason.message).toContain(OTHER.message)
    const first = decide(entryIn('in_doubt', { attempts: 3, reason: null }), CAPABILITIES.key, NOW)
    if (first.do === 'park')
      expect(first.reason.message).toBe('3 calls did not bring an outcome. It may have happened.')
  })

  it('trusts no number that is none: it neither repeats nor believes an absence', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const entry = entryIn('in_doubt', { firstSentAtMs: Number.NaN, lastDeadlineAtMs: broken })
      expect(decide(entry, CAPABILITIES.key_and_find, NOW)).toMatchObject({ do: 'find', absenceProves: false })
      expect(decide(entryIn('in_doubt'), CAPABILITIES.key, broken)).toMatchObject({ do: 'park' })
    }
  })

  it('counts the window from the first send, not from the last', () => {
    const entry = entryIn('in_doubt', { firstSentAtMs: NOW - safeForMs, lastDeadlineAtMs: NOW, attempts: 2 })
    expect(keyProtectsNextCall(entry, CAPABILITIES.key, NOW)).toBe(false)
  })

  it('judges by the promises of now: a longer timeout may no longer fit into the window', () => {
    const entry = entryIn('in_doubt', { firstSentAtMs: NOW - 50_000 })
    expect(keyProtectsNextCall(entry, CAPABILITIES.key, NOW)).toBe(true)
    const patient = { ...CAPABILITIES.key, limits: { ...LIMITS, timeoutMs: 4_000 } }
    expect(keyProtectsNextCall(entry, patient, NOW)).toBe(false)
  })
})
