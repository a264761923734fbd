import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  claim,
  decide,
  enact,
  isClaimable,
  mayTryAgain,
  ProtocolViolation,
  type ResumeOrder,
  resumeByKey,
  resumeChange,
  STATES,
} from './index.js'
import { CAPABILITIES, entryIn, KEY, LIMITS, NOW, OTHER, TERMS } from './samples.fixture.js'

const BY = { actor: 'ada', reason: 'the service is back' }
const KNOWN: ResumeOrder = { ...BY, proof: 'known' }
const ABSENCE: ResumeOrder = { ...BY, proof: 'absence' }
const BY_KEY: ResumeOrder = { ...BY, proof: 'key' }
const knownAbsent = { inDoubtSinceMs: null, attempts: 7, findFailures: 4 }

describe('resuming', () => {
  it('makes due at once what is parked and known not to have happened, with the word of who asked for it', () => {
    const entry = entryIn('parked', knownAbsent)
    const resumed = enact(entry, resumeChange(entry, KNOWN), NOW)
    expect(resumed).toEqual({
      ...entry,
      state: 'pending',
      dueAtMs: NOW,
      updatedAtMs: NOW,
      attempts: 1,
      findFailures: 0,
      reason: {
        code: 'resumed',
        message: 'ada had it tried again: the service is back',
        detail: { ...BY, parkedFor: OTHER.code },
      },
    })
    expect(isClaimable(resumed, NOW)).toBe(true)
    expect(mayTryAgain(resumed, LIMITS, NOW)).toBe(true)
  })

  it('is refused where it may have happened and nothing proves that it did not, whatever a person says (P4)', () => {
    const entry = entryIn('parked', { attempts: 7 })
    expect(() => resumeChange(entry, KNOWN)).toThrow(ProtocolViolation)
    expect(enact(entry, resumeChange(entry, ABSENCE), NOW)).toMatchObject({ state: 'pending', inDoubtSinceMs: null })
  })

  it('is refused of everything that is not parked: a rejection stands (P6), a holder is left alone (P2)', () => {
    for (const state of STATES.filter((each) => each !== 'parked')) {
      for (const order of [KNOWN, ABSENCE, BY_KEY])
        expect(() => resumeChange(entryIn(state), order)).toThrow(ProtocolViolation)
    }
  })

  it('counts no call for one that was never sent', () => {
    const never = { ...knownAbsent, attempts: 0, firstSentAtMs: null, lastDeadlineAtMs: null }
    const entry = entryIn('parked', never)
    expect(enact(entry, resumeChange(entry, KNOWN), NOW)).toMatchObject({ attempts: 0, firstSentAtMs: null })
  })

  it('leaves the window of the key where it began: a doubt after the next call is never repeated under a spent one', () => {
    const property = fc.property(fc.nat(3 * KEY.windowMs), fc.boolean(), (sentAgoMs, keySpent) => {
      const entry = entryIn('parked', { ...knownAbsent, firstSentAtMs: NOW - sentAgoMs, keySpent })
      const resumed = enact(entry, resumeChange(entry, KNOWN), NOW)
      expect(resumed).toMatchObject({ firstSentAtMs: NOW - sentAgoMs, keySpent })
      // Its next call is lost with its worker.
      const nextMs = NOW + TERMS.leaseMs
      const doubt = claim(claim(resumed, TERMS, NOW), TERMS, nextMs)
      const step = decide(doubt, CAPABILITIES.key, nextMs)
      const isSafe = !keySpent && sentAgoMs + TERMS.leaseMs + LIMITS.timeoutMs < KEY.windowMs - KEY.marginMs
      expect(step.do).toBe(isSafe ? 'execute' : 'park')
    })
    fc.assert(property, { numRuns: 500 })
  })
})

describe('resuming what may have happened, where the service cannot be asked', () => {
  it('by its key leaves it in doubt, due at once, with the calls of one that was called once', () => {
    const entry = entryIn('parked', { attempts: 7, findFailures: 4 })
    const resumed = enact(entry, resumeChange(entry, BY_KEY), NOW)
    const { attempts, findFailures, inDoubtSinceMs, firstSentAtMs, dueAtMs } = resumed
    expect(resumed.state).toBe('in_doubt')
    expect([attempts, findFailures, dueAtMs]).toEqual([1, 0, NOW])
    expect([inDoubtSinceMs, firstSentAtMs]).toEqual([entry.inDoubtSinceMs, entry.firstSentAtMs])
    expect(resumed.reason).toMatchObject({ code: 'resumed', detail: { ...BY, parkedFor: OTHER.code } })
    expect(isClaimable(resumed, NOW)).toBe(true)
  })

  it('by its key is no way for what is known not to have happened', () => {
    expect(() => resumeChange(entryIn('parked', knownAbsent), BY_KEY)).toThrow(ProtocolViolation)
  })

  it('is done exactly while its key protects the whole next call, and called only while it still does (P4 a)', () => {
    const property = fc.property(
      fc.nat(2 * KEY.windowMs),
      fc.boolean(),
      fc.nat(KEY.windowMs),
      (ago, keySpent, later) => {
        const entry = entryIn('parked', { attempts: 7, firstSentAtMs: NOW - ago, keySpent })
        const protects = (atMs: number) =>
          !keySpent && atMs - NOW + ago + LIMITS.timeoutMs < KEY.windowMs - KEY.marginMs
        const resumed = resumeByKey(entry, CAPABILITIES.key, BY, NOW)
        expect(resumed.change !== null).toBe(protects(NOW))
        if (resumed.change === null) {
          expect(resumed.reason.code).toBe(keySpent ? 'key_spent' : 'key_expired')
          return
        }
        const claimed = claim(enact(entry, resumed.change, NOW), TERMS, NOW + later)
        const step = decide(claimed, CAPABILITIES.key, NOW + later)
        expect(step).toMatchObject(protects(NOW + later) ? { do: 'execute', proof: 'key' } : { do: 'park' })
      },
    )
    fc.assert(property, { numRuns: 500 })
  })

  it.each([
    ['no_way_to_know', 'where the service honours no key', CAPABILITIES.park, {}],
    ['can_be_asked', 'where it could be asked', CAPABILITIES.find, {}],
    [
      'out_of_line',
      'where it would be called beside one of its serializeKey',
      CAPABILITIES.key,
      { serializeKey: 'ada' },
    ],
    [
      'attempts_exhausted',
      'where the effect allows one call, so that it would be parked again',
      { ...CAPABILITIES.key, limits: { ...LIMITS, maxAttempts: 1 } },
      {},
    ],
  ])('is not done, by the reason %s, %s', (code, _, capabilities, changes) => {
    const entry = entryIn('parked', { attempts: 7, ...changes })
    expect(resumeByKey(entry, capabilities, BY, NOW)).toMatchObject({ change: null, reason: { code } })
  })
})
