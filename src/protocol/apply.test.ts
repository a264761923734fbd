import { describe, expect, it } from 'vitest'
import {
  apply,
  claim,
  decide,
  type Entry,
  type Event,
  enact,
  isClaimable,
  isRenewable,
  ProtocolViolation,
  SETTLEMENT_GRACE_MS,
  STATES,
  type State,
  transition,
} from './index.js'
import {
  CAPABILITIES,
  EXECUTED,
  ended,
  entryIn,
  NOT_EXECUTED,
  NOW,
  OTHER,
  RECEIPT,
  REJECTED,
  REJECTED_FOR_THE_REFERENCE,
  started,
  TERMS,
  UNKNOWN,
  UNKNOWN_AND_KEY_SPENT,
  WHY,
} from './samples.fixture.js'

/** Every event there is, with every choice inside it that leads elsewhere. */
const EVENTS: Readonly<Record<string, Event>> = {
  'another call begins under the key': started('key'),
  'another call begins after a proven absence': started('absence'),
  'the call was executed': ended(EXECUTED),
  'the call was rejected': ended(REJECTED),
  'the call was rejected, and so was the reference': ended(REJECTED_FOR_THE_REFERENCE),
  'the call was not executed': ended(NOT_EXECUTED),
  'the last allowed call was not executed': ended(NOT_EXECUTED, { maxAttempts: 1 }),
  'the call came to nothing known': ended(UNKNOWN),
  'the call was abandoned': ended(UNKNOWN, { callOver: false }),
  'the call spent the key': ended(UNKNOWN_AND_KEY_SPENT),
  'found present': { type: 'found', receipt: RECEIPT, externalId: 'ch_1' },
  'found refused for good': { type: 'found_rejected', reason: WHY },
  'found surely absent': { type: 'found_absent', dueInMs: 40 },
  'postponed after a look-up': { type: 'postponed', dueInMs: 300, findFailed: null },
  'postponed because it could not be asked': { type: 'postponed', dueInMs: 300, findFailed: WHY },
  'parked in doubt': { type: 'parked', reason: WHY, knownAbsent: false },
  'parked though surely absent': { type: 'parked', reason: WHY, knownAbsent: true },
}

const RELEASED: Partial<Entry> = { owner: null, leaseUntilMs: null, dueAtMs: null, updatedAtMs: NOW }
const OVER: Partial<Entry> = { lastDeadlineAtMs: NOW }
const DOUBT: Partial<Entry> = { state: 'in_doubt', inDoubtSinceMs: NOW, dueAtMs: NOW + 700, reason: WHY }
const CALLING: Partial<Entry> = {
  state: 'executing',
  leaseUntilMs: NOW + 5_000,
  dueAtMs: NOW + 5_000,
  lastDeadlineAtMs: NOW + 1_000,
  attempts: 2,
  updatedAtMs: NOW,
}

/** What each event changes where it may happen; everything else of the entry stays. */
const ALLOWED: Readonly<Partial<Record<State, Readonly<Record<string, Partial<Entry>>>>>> = {
  executing: {
    'the call was executed': { ...RELEASED, ...OVER, state: 'succeeded', receipt: RECEIPT, externalId: 'ch_1' },
    'the call was rejected': { ...RELEASED, ...OVER, state: 'failed', reason: WHY },
    'the call was rejected, and so was the reference': { ...RELEASED, ...OVER, state: 'failed', reason: WHY },
    'the call was not executed': { ...RELEASED, ...OVER, state: 'pending', dueAtMs: NOW + 700, reason: WHY },
    'the last allowed call was not executed': {
      ...RELEASED,
      ...OVER,
      state: 'parked',
      reason: {
        code: 'attempts_exhausted',
        message: '1 calls were made and none was executed. Last word: It is so.',
      },
    },
    'the call came to nothing known': { ...RELEASED, ...OVER, ...DOUBT },
    'the call was abandoned': { ...RELEASED, ...DOUBT },
    'the call spent the key': { ...RELEASED, ...OVER, ...DOUBT, keySpent: true },
  },
  in_doubt: {
    'another call begins under the key': CALLING,
    'another call begins after a proven absence': { ...CALLING, inDoubtSinceMs: null },
    'found present': {
      ...RELEASED,
      state: 'succeeded',
      inDoubtSinceMs: null,
      receipt: RECEIPT,
      externalId: 'ch_1',
      reason: null,
    },
    'found refused for good': { ...RELEASED, state: 'failed', inDoubtSinceMs: null, reason: WHY },
    'found surely absent': { ...RELEASED, state: 'pending', inDoubtSinceMs: null, dueAtMs: NOW + 40 },
    'postponed after a look-up': { ...RELEASED, dueAtMs: NOW + 300 },
    'postponed because it could not be asked': { ...RELEASED, dueAtMs: NOW + 300, findFailures: 1, reason: WHY },
    'parked in doubt': { ...RELEASED, state: 'parked', reason: WHY },
    'parked though surely absent': { ...RELEASED, state: 'parked', inDoubtSinceMs: null, reason: WHY },
  },
}

function next(entry: Entry, event: Event, nowMs = NOW): Entry {
  return apply(entry, event, nowMs)
}

const executing = (changes: Partial<Entry> = {}) => entryIn('executing', changes)
const inDoubt = (changes: Partial<Entry> = {}) => entryIn('in_doubt', changes)
/** A repeated call is under way, while nobody knows what became of an earlier one. */
const repeated = (changes: Partial<Entry> = {}) =>
  executing({ attempts: 2, inDoubtSinceMs: NOW - 1_500, reason: OTHER, ...changes })

describe('apply: every state, every event', () => {
  for (const state of STATES) {
    for (const [happening, event] of Object.entries(EVENTS)) {
      const changes = ALLOWED[state]?.[happening]
      if (changes !== undefined) {
        it(`${state}: ${happening}: it is ${changes.state ?? state}, and nothing else changes`, () => {
          const entry = entryIn(state)
          expect(next(entry, event)).toStrictEqual({ ...entry, ...changes })
          expect(entry).toStrictEqual(entryIn(state))
        })
      } else {
        it(`${state}: ${happening}: cannot happen, and nothing changes`, () => {
          const entry = entryIn(state)
          expect(() => next(entry, event)).toThrow(ProtocolViolation)
          expect(() => transition(entry, event)).toThrow(new RegExp(`${event.type} cannot happen .*${state}`))
          expect(entry).toStrictEqual(entryIn(state))
        })
      }
    }
  }

  it('has no event for an entry that nobody holds', () => {
    for (const [state, events] of Object.entries(ALLOWED)) {
      for (const happening of Object.keys(events)) {
        const free = entryIn(state as State, { owner: null, leaseUntilMs: null })
        const event = EVENTS[happening]
        expect(event).toBeDefined()
        if (event !== undefined) expect(() => next(free, event)).toThrow(/nobody holds it/)
      }
    }
  })

  it('is transition, then enact: what a journal writes and what the engine believes are one', () => {
    for (const event of [EVENTS['the call was abandoned'], ended(EXECUTED)]) {
      if (event === undefined) throw new Error('no such event')
      expect(next(executing(), event)).toStrictEqual(enact(executing(), transition(executing(), event), NOW))
    }
  })
})

describe('a repeated call, while an earlier one is in doubt', () => {
  it('that was not executed leaves the doubt: the earlier one may have been', () => {
    const after = next(repeated(), ended(NOT_EXECUTED))
    expect(after).toMatchObject({ state: 'in_doubt', inDoubtSinceMs: NOW - 1_500, reason: WHY, keySpent: false })
  })

  it('that was not executed leaves the doubt even when it was the last one allowed', () => {
    const after = next(repeated({ attempts: 3 }), ended(NOT_EXECUTED))
    expect(after).toMatchObject({ state: 'in_doubt', dueAtMs: NOW + 700 })
    expect(isRenewable(after)).toBe(false)
  })

  it('that was rejected for itself leaves the doubt, and the key has nothing more to say', () => {
    const after = next(repeated(), ended(REJECTED))
    expect(after).toMatchObject({ state: 'in_doubt', inDoubtSinceMs: NOW - 1_500, keySpent: true, reason: WHY })
  })

  it('that was rejected for the reference fails: no earlier one was executed either', () => {
    const after = next(repeated(), ended(REJECTED_FOR_THE_REFERENCE))
    expect(after).toMatchObject({ state: 'failed', inDoubtSinceMs: null, dueAtMs: null })
  })

  it('that was executed succeeds and ends the doubt', () => {
    const after = next(repeated(), ended(EXECUTED))
    expect(after).toMatchObject({ state: 'succeeded', inDoubtSinceMs: null, receipt: RECEIPT, reason: null })
  })

  it('that came to nothing known keeps the first moment of doubt', () => {
    expect(next(repeated(), ended(UNKNOWN))).toMatchObject({ state: 'in_doubt', inDoubtSinceMs: NOW - 1_500 })
  })

  it('does not lower the last deadline by its own end: of the earlier one a rest may be under way', () => {
    const earlierUntilMs = NOW + 60_000
    for (const outcome of [UNKNOWN, NOT_EXECUTED, REJECTED]) {
      expect(next(repeated({ lastDeadlineAtMs: earlierUntilMs }), ended(outcome)).lastDeadlineAtMs).toBe(earlierUntilMs)
    }
  })
})

describe('deadlines and the key window', () => {
  it('an only call that ended by itself is over now, which lets an absence prove earlier', () => {
    expect(next(executing(), ended(UNKNOWN)).lastDeadlineAtMs).toBe(NOW)
  })

  it('an only call that was abandoned may be under way until its deadline', () => {
    expect(next(executing(), ended(UNKNOWN, { callOver: false })).lastDeadlineAtMs).toBe(NOW + 500)
  })

  it('a call that is written down late does not move its deadline into the present', () => {
    const late = executing({ lastDeadlineAtMs: NOW - 9_000 })
    expect(next(late, ended(UNKNOWN)).lastDeadlineAtMs).toBe(NOW - 9_000)
  })

  it('a repeated call never lowers the last deadline', () => {
    const entry = inDoubt({ lastDeadlineAtMs: NOW + 60_000 })
    expect(next(entry, started('key')).lastDeadlineAtMs).toBe(NOW + 60_000)
    expect(next(inDoubt({ lastDeadlineAtMs: NOW - 60_000 }), started('key')).lastDeadlineAtMs).toBe(NOW + 1_000)
  })

  it("a lost worker's call keeps its deadline through the claim and the repeat that follow", () => {
    const lost = executing({ leaseUntilMs: NOW, dueAtMs: NOW, lastDeadlineAtMs: NOW - 1 })
    const taken = claim(lost, { ...TERMS, owner: 'worker-2' }, NOW)
    expect(taken).toMatchObject({ state: 'in_doubt', lastDeadlineAtMs: NOW - 1, inDoubtSinceMs: NOW })
    expect(next(taken, started('key'))).toMatchObject({ lastDeadlineAtMs: NOW + 1_000, inDoubtSinceMs: NOW })
  })

  it('an unknown outcome keeps the first send, and so does every repeat', () => {
    const doubted = next(executing({ firstSentAtMs: NOW - 9_000 }), ended(UNKNOWN))
    expect(doubted.firstSentAtMs).toBe(NOW - 9_000)
    const taken = claim(doubted, TERMS, NOW + 700)
    expect(next(taken, started('key'), NOW + 700).firstSentAtMs).toBe(NOW - 9_000)
    expect(next(taken, started('absence'), NOW + 700).firstSentAtMs).toBe(NOW - 9_000)
  })

  it('a call that was not executed keeps the first send: the service may have met the key with it', () => {
    const pending = next(executing({ firstSentAtMs: NOW - 9_000 }), ended(NOT_EXECUTED))
    expect(pending.firstSentAtMs).toBe(NOW - 9_000)
    const again = claim(pending, TERMS, NOW + 700)
    expect(again).toMatchObject({ state: 'executing', firstSentAtMs: NOW - 9_000, lastDeadlineAtMs: NOW + 1_700 })
  })

  it('a repeat has to end inside the window of the first send even after calls that were not executed', () => {
    const { windowMs, marginMs } = { windowMs: 60_000, marginMs: 6_000 }
    const first = executing({ firstSentAtMs: NOW - (windowMs - marginMs) })
    const again = claim(next(first, ended(NOT_EXECUTED)), TERMS, NOW + 700)
    const doubted = claim(next(again, ended(UNKNOWN), NOW + 800), TERMS, NOW + 1_500)
    expect(decide(doubted, CAPABILITIES.key, NOW + 1_500)).toMatchObject({
      do: 'park',
      reason: { code: 'key_expired' },
    })
  })

  it('refuses a repeated call that would not end inside its lease', () => {
    const event: Event = { type: 'attempt_started', proof: 'key', leaseMs: 1_000, timeoutMs: 1_001 }
    expect(() => next(inDoubt(), event)).toThrow(ProtocolViolation)
    expect(next(inDoubt(), { ...event, timeoutMs: 1_000 }).leaseUntilMs).toBe(NOW + 1_000)
  })
})

describe('the key', () => {
  it('once spent stays spent, whatever a later call says', () => {
    for (const outcome of [UNKNOWN, NOT_EXECUTED, REJECTED]) {
      expect(next(repeated({ keySpent: true }), ended(outcome)).keySpent).toBe(true)
    }
    expect(next(inDoubt({ keySpent: true }), started('absence')).keySpent).toBe(true)
  })
})

describe('look-ups', () => {
  it('that could not ask are counted in a row, and their reason is kept', () => {
    const once = next(inDoubt(), { type: 'postponed', dueInMs: 1, findFailed: WHY })
    const twice = next(claim(once, TERMS, NOW + 1), { type: 'postponed', dueInMs: 1, findFailed: OTHER }, NOW + 2)
    expect(twice).toMatchObject({ findFailures: 2, reason: OTHER })
  })

  it('that were answered begin the count anew and keep the last word', () => {
    const after = next(inDoubt({ findFailures: 3 }), { type: 'postponed', dueInMs: 1, findFailed: null })
    expect(after).toMatchObject({ findFailures: 0, reason: OTHER })
  })

  it('count anew once another call was made', () => {
    expect(next(inDoubt({ findFailures: 3 }), started('absence')).findFailures).toBe(0)
  })
})

describe('what comes to rest', () => {
  it.each([
    ['executed', ended(EXECUTED), 'executing'],
    ['rejected', ended(REJECTED), 'executing'],
    ['found', { type: 'found', receipt: RECEIPT, externalId: null }, 'in_doubt'],
    ['found rejected', { type: 'found_rejected', reason: WHY }, 'in_doubt'],
  ] as const)(
    '%s: a settled handler is due after the grace of whoever recorded it, none where there is none',
    (_, event, state) => {
      const withHandler = next(entryIn(state, { settlement: 'due' }), event)
      expect(withHandler).toMatchObject({ settlement: 'due', dueAtMs: NOW + SETTLEMENT_GRACE_MS })
      expect(next(entryIn(state), event)).toMatchObject({ settlement: 'none', dueAtMs: null })
    },
  )

  it('a settled handler waits while the effect is parked: its outcome is not known', () => {
    const parked = next(inDoubt({ settlement: 'due' }), { type: 'parked', reason: WHY, knownAbsent: false })
    expect(parked).toMatchObject({ settlement: 'due', dueAtMs: null })
  })

  it('calls that were all not executed end in a parked entry that is known absent and may be renewed', () => {
    const parked = next(executing({ attempts: 3 }), ended(NOT_EXECUTED))
    expect(parked).toMatchObject({ state: 'parked', inDoubtSinceMs: null })
    expect(isRenewable(parked)).toBe(true)
  })

  it('an entry never comes back to pending with its calls used up', () => {
    for (const attempts of [1, 2, 3, 4]) {
      const after = next(executing({ attempts }), ended(NOT_EXECUTED))
      expect(after.state).toBe(attempts < 3 ? 'pending' : 'parked')
    }
  })

  it('releases the lease with every event but the start of a call, so that nothing more can be written under it', () => {
    for (const [state, events] of Object.entries(ALLOWED)) {
      for (const happening of Object.keys(events)) {
        const event = EVENTS[happening]
        if (event === undefined) throw new Error(`no event ${happening}`)
        const after = next(entryIn(state as State), event)
        const calls = event.type === 'attempt_started'
        expect(after.owner, happening).toBe(calls ? 'worker-1' : null)
        expect(after.leaseUntilMs === null, happening).toBe(!calls)
      }
    }
  })

  it('leaves nothing that is neither at rest nor due: every entry goes on or is visibly parked', () => {
    for (const [state, events] of Object.entries(ALLOWED)) {
      for (const happening of Object.keys(events)) {
        const event = EVENTS[happening]
        if (event === undefined) throw new Error(`no event ${happening}`)
        const after = next(entryIn(state as State), event)
        const rests = ['succeeded', 'failed', 'parked'].includes(after.state)
        expect(rests || isClaimable(after, NOW + 60_000), happening).toBe(true)
      }
    }
  })
})
