import { describe, expect, it } from 'vitest'
import {
  apply,
  type Capabilities,
  claim,
  classifyError,
  countsAgainstEntry,
  decide,
  type Entry,
  type Event,
  enqueue,
  isUnreachable,
  NotExecuted,
  newsOf,
  type Outcome,
  OutcomeUnknown,
  Rejected,
  resolveByFind,
  type ServiceNews,
} from './index.js'
import { CAPABILITIES, EXECUTED, entryIn, intent, LIMITS, NOT_EXECUTED, NOW, UNKNOWN, WHY } from './samples.fixture.js'

const terms = { owner: 'worker', leaseMs: 1_000, timeoutMs: 500 }
const refused: Outcome = {
  kind: 'not_executed',
  reason: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  retryAfterMs: null,
}

function ended(outcome: Outcome, more: Partial<Event & { type: 'attempt_ended' }> = {}): Event {
  return { type: 'attempt_ended', outcome, callOver: true, retryInMs: 0, maxAttempts: 2, ...more }
}

/** Called again and again as soon as it may be, until it rests or the time is over. */
function callUntilRest(capabilities: Capabilities, end: Event, { everyMs = 1_000, forMs = 1_000_000 } = {}): Entry {
  let entry = enqueue(intent(), 0, 0)
  for (let nowMs = 0; nowMs < forMs && entry.state !== 'parked'; nowMs += everyMs) {
    entry = claim(entry, terms, nowMs)
    if (entry.state === 'in_doubt') {
      const step = decide(entry, capabilities, nowMs)
      if (step.do === 'park') {
        entry = apply(entry, { type: 'parked', reason: step.reason, knownAbsent: false }, nowMs)
        continue
      }
      entry = apply(entry, { type: 'attempt_started', proof: 'key', leaseMs: 1_000, timeoutMs: 500 }, nowMs)
    }
    entry = apply(entry, end, nowMs)
  }
  return entry
}

const LONG_KEY = { windowMs: 1e9, marginMs: 0 }

describe('a call that says nothing of its entry', () => {
  it('does not count as an attempt: an outage of any length parks nothing', () => {
    for (const outcome of [refused, UNKNOWN]) {
      const key: Capabilities = { doubt: 'key', key: LONG_KEY, limits: { ...LIMITS, maxAttempts: 2 } }
      const entry = callUntilRest(key, ended(outcome, { uncounted: true }))
      expect(entry).toMatchObject({
        state: outcome === refused ? 'pending' : 'in_doubt',
        attempts: 1,
        dueAtMs: 999_000,
      })
    }
  })

  it('leaves an earlier doubt, and the start of the key’s window, as they were', () => {
    const lost = claim(enqueue(intent(), 0, 0), terms, 0)
    const doubtful = claim(lost, terms, 1_000)
    for (const outcome of [refused, UNKNOWN]) {
      const again = apply(doubtful, { type: 'attempt_started', proof: 'key', leaseMs: 1_000, timeoutMs: 500 }, 1_100)
      const after = apply(again, ended(outcome, { uncounted: true, retryInMs: 50 }), 1_200)
      expect(after).toMatchObject({ state: 'in_doubt', attempts: 1, firstSentAtMs: 0, inDoubtSinceMs: 1_000 })
    }
  })

  it('leaves a call to an entry that had used up its own before the service was known to be ill', () => {
    const executing = entryIn('executing', { attempts: 9, inDoubtSinceMs: NOW })
    expect(apply(executing, ended(UNKNOWN, { uncounted: true, maxAttempts: 3 }), NOW).attempts).toBe(2)
  })
})

describe('patience', () => {
  const patienceMs = 3_600_000

  it('is a matter of time too: however short the delays, nothing is parked within it, and soon after it', () => {
    const limits = { ...LIMITS, maxAttempts: 2, patienceMs }
    const key: Capabilities = { doubt: 'key', key: LONG_KEY, limits }
    for (const outcome of [NOT_EXECUTED, UNKNOWN]) {
      const end = ended(outcome, { patienceMs })
      expect(callUntilRest(key, end, { forMs: patienceMs }).state).not.toBe('parked')
      const parked = callUntilRest(key, end, { forMs: patienceMs + 3_000 })
      expect(parked).toMatchObject({ state: 'parked', reason: { code: 'attempts_exhausted' } })
    }
  })

  it('is a matter of calls too: one that was seldom called has them all, however long ago the first was', () => {
    const seldom = entryIn('executing', { attempts: 1, firstSentAtMs: NOW - 10 * patienceMs })
    expect(apply(seldom, ended(NOT_EXECUTED, { patienceMs }), NOW).state).toBe('pending')
  })

  it('holds for a proven absence as well', () => {
    const entry = entryIn('in_doubt', { attempts: 9, firstSentAtMs: NOW - 5 })
    const asked = { do: 'find', absenceProves: true, provesFromMs: NOW } as const
    const rest = { leaseMs: 5_000, retryInMs: 1, askedAtMs: NOW }
    const nextWith = (patience: number) =>
      resolveByFind(entry, asked, { kind: 'absent' }, { ...rest, limits: { ...LIMITS, patienceMs: patience } }).type
    expect([nextWith(6), nextWith(5)]).toEqual(['attempt_started', 'parked'])
  })
})

describe('a look-up that could not be made in an outage', () => {
  it('does not count: no number of them parks a doubt, and what was counted stays', () => {
    const entry = entryIn('in_doubt', { findFailures: 3 })
    const asked = { do: 'find', absenceProves: true, provesFromMs: NOW } as const
    const failed = { kind: 'could_not_ask', reason: WHY } as const
    const rest = { limits: LIMITS, leaseMs: 5_000, retryInMs: 1, askedAtMs: NOW }
    const after = apply(entry, resolveByFind(entry, asked, failed, { ...rest, uncounted: true }), NOW)
    expect(after).toMatchObject({ state: 'in_doubt', findFailures: 3, reason: WHY })
    expect(decide(after, CAPABILITIES.find, NOW).do).toBe('find')
    const counted = apply(entry, resolveByFind(entry, asked, failed, rest), NOW)
    expect(decide(counted, CAPABILITIES.find, NOW)).toMatchObject({
      do: 'park',
      reason: { code: 'find_keeps_failing' },
    })
  })
})

describe('what a call tells of its service', () => {
  const told = (error: unknown) => newsOf(classifyError(error), isUnreachable(error))
  const noConnection = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })

  it.each<[what: string, ServiceNews | null, error: unknown]>([
    ['a refusal', 'well', new Rejected('declined', 'No.')],
    ['no connection', 'unreachable', noConnection],
    ['no connection, as its provider says', 'unreachable', new NotExecuted('down', 'Down.', { unreachable: true })],
    ['a mistake of our own', null, new NotExecuted('down', 'No.', { cause: noConnection, unreachable: false })],
    ['not executed, and no word why', null, new NotExecuted('unauthorized', 'Who are you?')],
    ['a rate limit with a time', 'not_now', new NotExecuted('rate_limited', 'Later.', { retryAfterMs: 0 })],
    ['a rate limit without one', 'not_now', new NotExecuted('rate_limited', 'Later.', { notNow: true })],
    ['a reset', 'ill', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })],
    ['a 500', 'ill', new OutcomeUnknown('http_500', 'Oops.')],
    ['a 503 with a time', 'not_now', new OutcomeUnknown('http_503', 'Later.', { retryAfterMs: 1_000 })],
    ['a key in use', 'well', new OutcomeUnknown('key_in_use', 'Another one is.', { serviceWell: true })],
  ])('%s: %s', (_, news, error) => {
    expect(told(error)).toBe(news)
  })

  it('is that it is well, where it was executed', () => {
    expect(newsOf(EXECUTED, false)).toBe('well')
  })

  it('decides what counts against the entry', () => {
    const all: readonly (ServiceNews | null)[] = ['well', 'reachable', 'not_now', 'ill', 'unreachable', null]
    expect(all.filter((news) => countsAgainstEntry(news, false))).toEqual(['well', 'reachable', 'ill', null])
    expect(all.filter((news) => countsAgainstEntry(news, true))).toEqual(['well', 'reachable', null])
  })
})
