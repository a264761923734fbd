import { describe, expect, it } from 'vitest'
import {
  begin,
  claim,
  type Entry,
  enqueue,
  isClaimable,
  isHeldBy,
  isRenewable,
  ProtocolViolation,
  STATES,
} from './index.js'
import { entryIn, intent, NOW, OTHER, TERMS } from './samples.fixture.js'

describe('a new entry', () => {
  it('that begins is executing, fenced, with its deadline and its first send, before anything leaves', () => {
    expect(begin(intent(), TERMS, NOW)).toStrictEqual({
      ...enqueue(intent(), NOW, NOW),
      state: 'executing',
      fence: 1,
      owner: 'worker-1',
      attempts: 1,
      leaseUntilMs: NOW + 5_000,
      dueAtMs: NOW + 5_000,
      firstSentAtMs: NOW,
      lastDeadlineAtMs: NOW + 1_000,
    })
  })

  it('that is enqueued is pending, has sent nothing, and is not taken before it is due', () => {
    const entry = enqueue(intent(), NOW + 100, NOW)
    expect(entry).toMatchObject({
      state: 'pending',
      attempts: 0,
      firstSentAtMs: null,
      lastDeadlineAtMs: null,
      fence: 0,
    })
    expect(isClaimable(entry, NOW + 99)).toBe(false)
    expect(isClaimable(entry, NOW + 100)).toBe(true)
  })

  it('has a settlement due exactly if there is a handler', () => {
    expect(enqueue(intent(), NOW, NOW).settlement).toBe('none')
    expect(enqueue(intent({ hasSettledHandler: true }), NOW, NOW).settlement).toBe('due')
    expect(enqueue(intent(), NOW, NOW)).not.toHaveProperty('hasSettledHandler')
  })
})

describe('claims', () => {
  const WORKED = ['pending', 'executing', 'in_doubt']
  const TIMES = { past: NOW - 1, now: NOW, future: NOW + 1, never: null }

  it('are granted exactly for what a worker changes, is due, and nobody holds', () => {
    const wrong: unknown[] = []
    for (const state of STATES) {
      for (const [lease, leaseUntilMs] of Object.entries(TIMES)) {
        for (const [due, dueAtMs] of Object.entries(TIMES)) {
          const free = lease !== 'future'
          const isDue = due === 'past' || due === 'now'
          const claimable = isClaimable(entryIn(state, { leaseUntilMs, dueAtMs }), NOW)
          if (claimable !== (WORKED.includes(state) && free && isDue)) wrong.push({ state, lease, due })
        }
      }
    }
    expect(wrong).toEqual([])
  })

  it('of anything else are a violation, so that no outcome can be unmade', () => {
    for (const state of STATES.filter((each) => !WORKED.includes(each))) {
      const entry = entryIn(state, { leaseUntilMs: null, dueAtMs: NOW - 1 })
      expect(() => claim(entry, TERMS, NOW)).toThrow(ProtocolViolation)
    }
    for (const state of ['executing', 'in_doubt'] as const) {
      expect(() => claim(entryIn(state), TERMS, NOW)).toThrow(ProtocolViolation)
    }
  })

  it('from pending begin a call, and count it', () => {
    const entry = entryIn('pending', { attempts: 2, fence: 7, reason: OTHER, firstSentAtMs: NOW - 500 })
    expect(claim(entry, TERMS, NOW)).toStrictEqual({
      ...entry,
      state: 'executing',
      fence: 8,
      owner: 'worker-1',
      attempts: 3,
      leaseUntilMs: NOW + 5_000,
      dueAtMs: NOW + 5_000,
      lastDeadlineAtMs: NOW + 1_000,
      updatedAtMs: NOW,
    })
  })

  it('of a call whose worker is lost are a doubt from now on, about the same call', () => {
    const lost = entryIn('executing', { leaseUntilMs: NOW, dueAtMs: NOW })
    expect(claim(lost, { ...TERMS, owner: 'worker-2' }, NOW)).toStrictEqual({
      ...lost,
      state: 'in_doubt',
      fence: 2,
      owner: 'worker-2',
      leaseUntilMs: NOW + 5_000,
      dueAtMs: NOW + 5_000,
      inDoubtSinceMs: NOW,
      updatedAtMs: NOW,
    })
  })

  it('of a doubt keep it as it is, held', () => {
    const free = entryIn('in_doubt', { owner: null, leaseUntilMs: null, dueAtMs: NOW })
    expect(claim(free, TERMS, NOW)).toStrictEqual({
      ...free,
      fence: 3,
      owner: 'worker-1',
      leaseUntilMs: NOW + 5_000,
      dueAtMs: NOW + 5_000,
      updatedAtMs: NOW,
    })
  })

  it('are refused where the call would not end inside the lease', () => {
    const tooLong = { ...TERMS, timeoutMs: TERMS.leaseMs + 1 }
    expect(() => begin(intent(), tooLong, NOW)).toThrow(ProtocolViolation)
    expect(() => begin(intent(), { ...TERMS, timeoutMs: Number.NaN }, NOW)).toThrow(ProtocolViolation)
    expect(begin(intent(), { ...TERMS, timeoutMs: TERMS.leaseMs }, NOW).leaseUntilMs).toBe(NOW + TERMS.leaseMs)
  })
})

describe('a holder', () => {
  const held = entryIn('executing', { fence: 4 })

  it('writes under its own claim and no other', () => {
    expect(isHeldBy(held, { owner: 'worker-1', fence: 4 })).toBe(true)
    expect(isHeldBy(held, { owner: 'worker-1', fence: 3 })).toBe(false)
    expect(isHeldBy(held, { owner: 'worker-1', fence: 5 })).toBe(false)
    expect(isHeldBy(held, { owner: 'worker-2', fence: 4 })).toBe(false)
  })

  it('that gave the entry back writes nothing more, under the same fence either', () => {
    const released = entryIn('succeeded', { fence: 4 })
    expect(isHeldBy(released, { owner: 'worker-1', fence: 4 })).toBe(false)
  })
})

describe('a new generation', () => {
  const rows: readonly [string, Entry, boolean][] = [
    ['a rejection whose handler ran', entryIn('failed', { settlement: 'done' }), true],
    ['a rejection without a handler', entryIn('failed'), true],
    ['a rejection whose handler is still due', entryIn('failed', { settlement: 'due' }), false],
    ['a failure that a person declared without proof', entryIn('failed', { forcedBy: 'somebody' }), false],
    ['a parked entry that is known absent', entryIn('parked', { inDoubtSinceMs: null }), true],
    ['a parked doubt', entryIn('parked'), false],
    ...STATES.filter((state) => state !== 'failed' && state !== 'parked').map((state): [string, Entry, boolean] => [
      state,
      entryIn(state, { inDoubtSinceMs: null }),
      false,
    ]),
  ]
  it.each(rows)('after %s', (_, entry, allowed) => {
    expect(isRenewable(entry)).toBe(allowed)
  })
})
