import { describe, expect, it } from 'vitest'
import { apply, claim, enqueue, type Intent, isUnreachable, NotExecuted, Rejected } from './index.js'

const intent: Intent = {
  id: '00000000-0000-8000-8000-000000000000',
  namespace: 'default',
  effect: 'charge',
  key: 'order-1',
  generation: 1,
  reference: 'reference',
  input: {},
  fingerprint: 'fingerprint',
  serializeKey: null,
  group: null,
  hasSettledHandler: false,
}
const terms = { owner: 'worker', leaseMs: 1_000, timeoutMs: 500 }
const outcome = {
  kind: 'not_executed',
  reason: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  retryAfterMs: null,
} as const

describe('a call that did not reach the service', () => {
  it('does not count as an attempt: an outage of any length parks nothing', () => {
    let entry = enqueue(intent, 0, 0)
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1_000) {
      const held = claim(entry, terms, nowMs)
      entry = apply(
        held,
        { type: 'attempt_ended', outcome, callOver: true, unreached: true, retryInMs: 0, maxAttempts: 2 },
        nowMs,
      )
      expect(entry).toMatchObject({ state: 'pending', attempts: 1, dueAtMs: nowMs })
    }
  })

  it('leaves an earlier doubt, and the start of the key’s window, as they were', () => {
    const lost = claim(enqueue(intent, 0, 0), terms, 0)
    const doubtful = claim(lost, terms, 1_000)
    const again = apply(doubtful, { type: 'attempt_started', proof: 'key', leaseMs: 1_000, timeoutMs: 500 }, 1_100)
    const after = apply(
      again,
      { type: 'attempt_ended', outcome, callOver: true, unreached: true, retryInMs: 50, maxAttempts: 2 },
      1_200,
    )
    expect(after).toMatchObject({ state: 'in_doubt', attempts: 1, firstSentAtMs: 0, inDoubtSinceMs: 1_000 })
  })

  it('is known by the failure to connect, or by what the provider says of it', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
    expect(isUnreachable(refused)).toBe(true)
    expect(isUnreachable(new NotExecuted('down', 'No connection.', { cause: refused }))).toBe(true)
    expect(isUnreachable(new NotExecuted('down', 'No connection.', { unreachable: true }))).toBe(true)
    expect(isUnreachable(new NotExecuted('down', 'A mistake of ours.', { cause: refused, unreachable: false }))).toBe(
      false,
    )
    expect(isUnreachable(new NotExecuted('rate_limited', 'Later.', { retryAfterMs: 1_000 }))).toBe(false)
    expect(isUnreachable(new Rejected('declined', 'No.'))).toBe(false)
    expect(isUnreachable(new Error('reset'))).toBe(false)
  })
})
