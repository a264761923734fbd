import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  acceptsEvidence,
  admitCompensation,
  beginCompensating,
  callOffChange,
  enact,
  endCompensating,
  evidenceChange,
  isCompensable,
  nothingUndone,
  STATES,
  stateAfterUndoing,
  type UndoneSoFar,
  withEnded,
  withReserved,
} from './index.js'
import { entryIn, NOW, OTHER, RECEIPT, WHY } from './samples.fixture.js'

const eur = (minorUnits: number) => ({ minorUnits, currency: 'eur' })

describe('how much may be undone', () => {
  it('is never more than remains, whatever is asked for, in whatever order it ends', () => {
    const ask = fc.record({
      part: fc.option(fc.integer({ min: 0, max: 150 }).map(eur)),
      endsFirst: fc.nat(3),
      undone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(ask, { maxLength: 12 }), (asks) => {
        let sofar: UndoneSoFar = nothingUndone(eur(100))
        let given = 0
        const underWay: { minorUnits: number | null; whole: boolean; worth: number }[] = []
        for (const { part, endsFirst, undone } of asks) {
          const admission = admitCompensation({ part }, sofar)
          if (admission.admitted) {
            // "All that is left" takes what no other has: that is what the service would give back.
            const held = underWay.reduce((sum, each) => sum + each.worth, 0)
            underWay.push({ ...admission, worth: admission.minorUnits ?? 100 - given - held })
            sofar = withReserved(sofar, admission)
          }
          const ending = underWay.splice(0, endsFirst)
          for (const each of ending) {
            if (undone) given += each.worth
            sofar = withEnded(sofar, { ...each, undone })
          }
          expect(given).toBeLessThanOrEqual(100)
          expect(sofar.undoneMinorUnits).toBe(given)
        }
      }),
    )
  })

  it('leaves a part that was refused while all the rest was undone', () => {
    const part = { minorUnits: 1, whole: false }
    const rest = { minorUnits: 99, whole: true }
    const both = withReserved(withReserved(nothingUndone(eur(100)), part), rest)
    const sofar = withEnded(withEnded(both, { ...part, undone: false }), { ...rest, undone: true })
    expect(sofar).toMatchObject({ undoneMinorUnits: 99, reservedMinorUnits: 0, whole: 'none' })
    expect(stateAfterUndoing(sofar)).toBe('succeeded')
    expect(admitCompensation({ part: null }, sofar)).toEqual({ admitted: true, minorUnits: 1, whole: true })
  })

  it('is all of an amount that nobody knows, once, and no part of it', () => {
    const unknown = nothingUndone(null)
    expect(admitCompensation({ part: null }, unknown)).toEqual({ admitted: true, minorUnits: null, whole: true })
    const running = withReserved(unknown, { minorUnits: null, whole: true })
    expect(admitCompensation({ part: null }, running)).toMatchObject({ reason: { code: 'nothing_remains' } })
    expect(admitCompensation({ part: eur(1) }, unknown)).toMatchObject({ reason: { code: 'amount_unknown' } })
  })

  it('is asked for in the currency that was moved', () => {
    const part = { minorUnits: 1, currency: 'USD' }
    expect(admitCompensation({ part }, nothingUndone(eur(100)))).toMatchObject({ reason: { code: 'other_currency' } })
    const same = { minorUnits: 1, currency: 'EUR' }
    expect(admitCompensation({ part: same }, nothingUndone(eur(100)))).toMatchObject({ admitted: true })
  })

  it('is the exact rest after parts', () => {
    const partly = withEnded(withReserved(nothingUndone(eur(100)), { minorUnits: 30, whole: false }), {
      minorUnits: 30,
      whole: false,
      undone: true,
    })
    expect(admitCompensation({ part: null }, partly)).toEqual({ admitted: true, minorUnits: 70, whole: true })
  })
})

describe('an entry that is compensated', () => {
  const succeeded = entryIn('succeeded', { receipt: RECEIPT, externalId: 'ch_1', settlement: 'due', dueAtMs: NOW + 1 })

  it('keeps everything but its state, so that its settled handler is told of the execution all the same', () => {
    const compensating = beginCompensating(succeeded, NOW)
    expect(compensating).toEqual({ ...succeeded, state: 'compensating', updatedAtMs: NOW })
    const sofar = { ...nothingUndone(eur(100)), whole: 'done' as const }
    expect(endCompensating(compensating, sofar, null, NOW)).toEqual({ ...compensating, state: 'compensated' })
  })

  it('is succeeded again where its undoing was refused, and keeps why', () => {
    const after = endCompensating(beginCompensating(succeeded, NOW), nothingUndone(eur(100)), WHY, NOW)
    expect(after).toMatchObject({ state: 'succeeded', reason: { code: 'compensation_rejected' } })
    expect(after.reason?.message).toContain(WHY.message)
  })

  it('is compensating while another undoing is under way', () => {
    const sofar = { ...nothingUndone(eur(100)), reservedMinorUnits: 10, undoneMinorUnits: 20 }
    expect(endCompensating(beginCompensating(succeeded, NOW), sofar, null, NOW).state).toBe('compensating')
    expect(endCompensating(beginCompensating(succeeded, NOW), sofar, WHY, NOW).state).toBe('compensating')
  })

  it('is succeeded after a part, and compensated after the last one', () => {
    const partly = { ...nothingUndone(eur(100)), undoneMinorUnits: 40 }
    expect(endCompensating(beginCompensating(succeeded, NOW), partly, null, NOW).state).toBe('succeeded')
    const all = { ...nothingUndone(eur(100)), undoneMinorUnits: 100 }
    expect(endCompensating(beginCompensating(succeeded, NOW), all, null, NOW).state).toBe('compensated')
  })

  it('has happened, and is known by an id at the service', () => {
    for (const state of STATES) {
      const entry = entryIn(state, { externalId: 'ch_1' })
      expect(isCompensable(entry)).toBe(state === 'succeeded' || state === 'compensating')
    }
    expect(isCompensable(entryIn('succeeded', { externalId: null }))).toBe(false)
  })
})

describe('evidence', () => {
  const free = { owner: null, leaseUntilMs: null }

  it('settles what is in doubt or parked and held by nobody, and nothing else', () => {
    for (const state of STATES) {
      const open = state === 'in_doubt' || state === 'parked'
      expect(acceptsEvidence(entryIn(state, free), NOW)).toBe(open)
    }
    expect(acceptsEvidence(entryIn('in_doubt', { owner: 'me', leaseUntilMs: NOW + 1 }), NOW)).toBe(false)
    expect(acceptsEvidence(entryIn('in_doubt', { owner: 'me', leaseUntilMs: NOW }), NOW)).toBe(true)
  })

  it('is worth as much as what the holder of the entry would have found', () => {
    for (const state of ['in_doubt', 'parked'] as const) {
      const entry = entryIn(state, { ...free, reason: OTHER })
      const present = evidenceChange(entry, { kind: 'present', receipt: RECEIPT, externalId: 'ch_1' })
      expect(enact(entry, present, NOW)).toMatchObject({
        state: 'succeeded',
        receipt: RECEIPT,
        externalId: 'ch_1',
        inDoubtSinceMs: null,
        reason: null,
      })
      expect(enact(entry, evidenceChange(entry, { kind: 'rejected', reason: WHY }), NOW)).toMatchObject({
        state: 'failed',
        inDoubtSinceMs: null,
        reason: WHY,
      })
    }
  })

  it('of an absence lets the call be made, while calls are left; otherwise it is parked and known not to have happened', () => {
    const entry = entryIn('parked', { ...free, attempts: 2, reason: OTHER })
    const released = evidenceChange(entry, { kind: 'absent', maxAttempts: 3, calledOff: null })
    expect(enact(entry, released, NOW)).toMatchObject({ state: 'pending', dueAtMs: NOW, inDoubtSinceMs: null })
    const exhausted = evidenceChange(entry, { kind: 'absent', maxAttempts: 2, calledOff: null })
    expect(enact(entry, exhausted, NOW)).toMatchObject({ state: 'parked', dueAtMs: null, inDoubtSinceMs: null })
  })

  it('of an absence lets an entry that is called again begin its row of failed look-ups anew', () => {
    const entry = entryIn('parked', { ...free, attempts: 2, findFailures: 4 })
    const released = evidenceChange(entry, { kind: 'absent', maxAttempts: 3, calledOff: null })
    expect(enact(entry, released, NOW)).toMatchObject({ state: 'pending', findFailures: 0, attempts: 2 })
  })

  it('of an absence ends what has been called off, and so does calling off what was never begun', () => {
    const doubt = entryIn('in_doubt', free)
    const absent = evidenceChange(doubt, { kind: 'absent', maxAttempts: 3, calledOff: WHY })
    expect(enact(doubt, absent, NOW)).toMatchObject({ state: 'failed', reason: WHY })
    const pending = entryIn('pending', free)
    expect(enact(pending, callOffChange(pending, WHY), NOW)).toMatchObject({ state: 'failed', reason: WHY })
  })
})
