import {
  type Capabilities,
  type Entry,
  type Event,
  enqueue,
  type Intent,
  type Outcome,
  type Reason,
  type State,
} from './index.js'

export const WHY: Reason = { code: 'because', message: 'It is so.' }
export const OTHER: Reason = { code: 'otherwise', message: 'It is otherwise.' }
export const RECEIPT = { id: 'ch_1', amount: 100 }

/** A moment on the journal's clock from which the samples count. */
export const NOW = 1_700_000_000_000

export const LIMITS = { timeoutMs: 1_000, maxAttempts: 3, patienceMs: 0, maxFindFailures: 4 }
export const KEY = { windowMs: 60_000, marginMs: 6_000 }
export const FIND = { settlesWithinMs: 30_000 }

export const CAPABILITIES: Readonly<Record<Capabilities['doubt'], Capabilities>> = {
  key: { doubt: 'key', key: KEY, limits: LIMITS },
  find: { doubt: 'find', find: FIND, limits: LIMITS },
  key_and_find: { doubt: 'key_and_find', key: KEY, find: FIND, limits: LIMITS },
  park: { doubt: 'park', limits: LIMITS },
}

export const TERMS = { owner: 'worker-1', leaseMs: 5_000, timeoutMs: 1_000 }

export function intent(changes: Partial<Intent> = {}): Intent {
  return {
    id: '8c3b62c1-0000-8000-8000-000000000001',
    namespace: 'shop',
    effect: 'charge-order',
    key: 'order-1',
    generation: 1,
    reference: 'cABCDEFGxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    input: { cents: 100 },
    fingerprint: 'fingerprint-of-22-chars',
    serializeKey: null,
    group: null,
    hasSettledHandler: false,
    ...changes,
  }
}

/** What an entry in this state may look like: held where a worker holds such a one, frozen so that nothing changes it. */
export function entryIn(state: State, changes: Partial<Entry> = {}): Entry {
  const base = enqueue(intent(), NOW - 10_000, NOW - 10_000)
  return deepFreeze({ ...base, ...LOOKS[state], state, ...changes })
}

const called = { fence: 1, attempts: 1, firstSentAtMs: NOW - 2_000, lastDeadlineAtMs: NOW + 500 }
const held = { owner: 'worker-1', leaseUntilMs: NOW + 4_000, dueAtMs: NOW + 4_000 }
const resting = { ...called, owner: null, leaseUntilMs: null, dueAtMs: null }

const LOOKS: Readonly<Record<State, Partial<Entry>>> = {
  pending: {},
  executing: { ...called, ...held },
  in_doubt: { ...called, ...held, fence: 2, inDoubtSinceMs: NOW - 1_000, reason: OTHER },
  succeeded: { ...resting, receipt: RECEIPT, externalId: 'ch_1' },
  failed: { ...resting, reason: OTHER },
  parked: { ...resting, inDoubtSinceMs: NOW - 1_000, reason: OTHER },
  compensating: { ...called, ...held, receipt: RECEIPT, externalId: 'ch_1' },
  compensated: { ...resting, receipt: RECEIPT, externalId: 'ch_1' },
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFreeze(member)
  }
  return value
}

export const EXECUTED: Outcome = { kind: 'executed', receipt: RECEIPT, externalId: 'ch_1' }
export const REJECTED: Outcome = { kind: 'rejected', reason: WHY, settlesDoubt: false }
export const REJECTED_FOR_THE_REFERENCE: Outcome = { kind: 'rejected', reason: WHY, settlesDoubt: true }
export const NOT_EXECUTED: Outcome = { kind: 'not_executed', reason: WHY, retryAfterMs: null }
export const UNKNOWN: Outcome = { kind: 'unknown', reason: WHY, keySpent: false }
export const UNKNOWN_AND_KEY_SPENT: Outcome = { kind: 'unknown', reason: WHY, keySpent: true }

export function ended(outcome: Outcome, changes: Partial<Extract<Event, { type: 'attempt_ended' }>> = {}): Event {
  return { type: 'attempt_ended', outcome, callOver: true, retryInMs: 700, maxAttempts: 3, ...changes }
}

export function started(proof: 'key' | 'absence'): Event {
  return { type: 'attempt_started', proof, leaseMs: 5_000, timeoutMs: 1_000 }
}
