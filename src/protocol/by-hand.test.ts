import { describe, expect, it } from 'vitest'
import {
  type Entry,
  enact,
  evidenceChange,
  type FindResult,
  forcedResolution,
  type HandAnswer,
  type HandOrder,
  heardByFind,
  isClaimable,
  isForcedAs,
  isRenewable,
  ProtocolViolation,
  STATES,
} from './index.js'
import { entryIn, NOW, OTHER, RECEIPT, WHY } from './samples.fixture.js'

const BY = { actor: 'ada', reason: 'it is in the dashboard' }
const YES: HandAnswer = { happened: true, receipt: RECEIPT, externalId: 'ch_1' }
const NO: HandAnswer = { happened: false }

function forced(entry: Entry, answer: HandAnswer): Entry {
  const { change, forcedBy } = forcedResolution(entry, { ...BY, answer })
  return { ...enact(entry, change, NOW), forcedBy }
}

describe('a person’s word', () => {
  it('ends a parked doubt as succeeded, with the receipt that was given, and its mark', () => {
    const entry = entryIn('parked', { attempts: 3, settlement: 'due' })
    const after = forced(entry, YES)
    expect(after).toMatchObject({ state: 'succeeded', receipt: RECEIPT, externalId: 'ch_1', reason: null })
    expect(after).toMatchObject({ inDoubtSinceMs: null, forcedBy: 'ada: it is in the dashboard', settlement: 'due' })
    expect(after.dueAtMs).not.toBeNull()
  })

  it('ends it as failed with who said so and why, and no new generation begins after it: it is not known (P6)', () => {
    const after = forced(entryIn('parked'), NO)
    expect(after).toMatchObject({
      state: 'failed',
      inDoubtSinceMs: null,
      forcedBy: 'ada: it is in the dashboard',
      reason: { code: 'resolved_by_hand', detail: { ...BY, parkedFor: OTHER.code } },
    })
    expect(isRenewable(after)).toBe(false)
    expect(isRenewable({ ...after, forcedBy: null })).toBe(true)
  })

  it('allows no call, whatever it says', () => {
    for (const answer of [YES, NO]) expect(isClaimable(forced(entryIn('parked'), answer), Number.MAX_VALUE)).toBe(false)
  })

  it('counts for nothing that is not parked, and for nothing that is known', () => {
    const others = STATES.filter((each) => each !== 'parked').map((each) => entryIn(each))
    for (const entry of [...others, entryIn('parked', { inDoubtSinceMs: null })]) {
      for (const answer of [YES, NO]) {
        expect(() => forcedResolution(entry, { ...BY, answer })).toThrow(ProtocolViolation)
      }
    }
  })

  it('is kept as text that a database takes', () => {
    const order: HandOrder = { actor: 'a\u0000da', reason: 'half a \ud83d', answer: NO }
    const { change, forcedBy } = forcedResolution(entryIn('parked'), order)
    expect(forcedBy).toBe('a\ufffdda: half a \ufffd')
    expect(change.reason?.detail).toMatchObject({ actor: 'a\ufffdda', reason: 'half a \ufffd' })
  })

  it('is the same said again, and another where anything of it differs', () => {
    const yes = forced(entryIn('parked'), YES)
    const no = forced(entryIn('parked'), NO)
    expect(isForcedAs(yes, { ...YES, receipt: { amount: 100, id: 'ch_1' } })).toBe(true)
    expect(isForcedAs(no, NO)).toBe(true)
    expect(isForcedAs({ ...yes, receipt: null, isCompact: true }, YES)).toBe(true)
    const others: [Entry, HandAnswer][] = [
      [yes, NO],
      [no, YES],
      [yes, { ...YES, externalId: 'ch_2' }],
      [yes, { ...YES, receipt: { id: 'ch_1' } }],
      [{ ...yes, forcedBy: null }, YES],
      [{ ...no, forcedBy: null }, NO],
      [{ ...yes, state: 'compensated' }, YES],
      [entryIn('parked'), NO],
    ]
    for (const [entry, answer] of others) expect(isForcedAs(entry, answer)).toBe(false)
  })
})

describe('a person’s word beside the service’s', () => {
  const present: FindResult = { kind: 'present', receipt: { id: 'ch_9' }, externalId: 'ch_9' }
  const hear = (result: FindResult, answer: HandAnswer, proven = false) =>
    heardByFind({ result, proven }, { ...BY, answer })

  it('is all there is where the service could not be asked (P5)', () => {
    for (const answer of [YES, NO]) expect(hear({ kind: 'could_not_ask', reason: WHY }, answer)).toBeNull()
  })

  it('is not needed where the service says the same: its receipt counts, and nothing is forced', () => {
    const entry = entryIn('parked')
    const heard = (result: FindResult, answer: HandAnswer, proven = false) => {
      const evidence = hear(result, answer, proven)?.evidence ?? null
      return evidence === null ? null : enact(entry, evidenceChange(entry, evidence), NOW)
    }
    expect(heard(present, YES)).toMatchObject({ state: 'succeeded', externalId: 'ch_9', forcedBy: null })
    expect(heard({ kind: 'rejected', reason: WHY }, NO)).toMatchObject({ state: 'failed', reason: WHY, forcedBy: null })
    const absent = heard({ kind: 'absent' }, NO, true)
    expect(absent).toMatchObject({ state: 'failed', reason: { code: 'called_off' }, forcedBy: null })
    expect(absent !== null && isRenewable(absent)).toBe(true)
  })

  it('never stands against the service’s, nor before it can know', () => {
    const otherwise: [FindResult, HandAnswer, boolean][] = [
      [present, NO, false],
      [{ kind: 'rejected', reason: WHY }, YES, false],
      [{ kind: 'absent' }, YES, true],
    ]
    for (const [result, answer, proven] of otherwise) {
      expect(hear(result, answer, proven)).toMatchObject({ evidence: null, reason: { code: 'service_says_otherwise' } })
    }
    for (const answer of [YES, NO]) {
      expect(hear({ kind: 'absent' }, answer)).toMatchObject({ evidence: null, reason: { code: 'may_still_appear' } })
    }
  })
})
