import { type Capabilities, findLagOf, keyWindowOf, type Limits } from './capabilities.js'
import { type Entry, isAtRest, type JournalTime } from './entry.js'
import { ProtocolViolation } from './errors.js'
import type { Reason } from './outcome.js'

/** What the holder of an entry's lease may do next. */
export type Step =
  /** Call the service. `proof` is what makes it safe: it never happened, the key still protects, or absence is proven. */
  | { readonly do: 'execute'; readonly proof: 'never_executed' | 'key' }
  /** Ask the service for our reference. Only if `absenceProves` does an absence allow another call. */
  | { readonly do: 'find'; readonly absenceProves: boolean; readonly provesFromMs: JournalTime }
  | { readonly do: 'park'; readonly reason: Reason }
  /** It is at rest: answer from the entry. */
  | { readonly do: 'answer' }
  /** A call is under way: its holder records what comes of it, or the lease runs out. */
  | { readonly do: 'await_holder'; readonly untilMs: JournalTime }

/**
 * The heart: when is a call safe? Pure; `nowMs` is the journal's clock (P3).
 *
 * Never "call again" without proof (P4): an unproven doubt is looked up, waited for, or parked.
 */
export function decide(entry: Entry, capabilities: Capabilities, nowMs: JournalTime): Step {
  if (isAtRest(entry.state)) return { do: 'answer' }
  switch (entry.state) {
    case 'pending':
      return { do: 'execute', proof: 'never_executed' }
    case 'executing':
    case 'compensating':
      return { do: 'await_holder', untilMs: entry.leaseUntilMs ?? nowMs }
    case 'in_doubt':
      return decideDoubt(entry, capabilities, nowMs)
    default:
      throw new ProtocolViolation(`No step for state ${entry.state}`)
  }
}

function decideDoubt(entry: Entry, capabilities: Capabilities, nowMs: JournalTime): Step {
  const attemptsLeft = mayTryAgain(entry, capabilities.limits, nowMs)
  if (attemptsLeft && keyProtectsNextCall(entry, capabilities, nowMs)) return { do: 'execute', proof: 'key' }
  const lag = findLagOf(capabilities)
  if (lag === null) return { do: 'park', reason: whyNoWayOut(entry, capabilities, attemptsLeft) }
  if (entry.findFailures >= capabilities.limits.maxFindFailures) {
    return { do: 'park', reason: findFailsTooOften(entry) }
  }
  const provesFromMs = (entry.lastDeadlineAtMs ?? nowMs) + lag.settlesWithinMs
  return { do: 'find', absenceProves: nowMs > provesFromMs, provesFromMs }
}

/**
 * P4 (a): the service honours our key, and the *whole* next call ends inside the key's window, counted from the first
 * send, with the margin. A key that may have expired is no key at all.
 */
export function keyProtectsNextCall(entry: Entry, capabilities: Capabilities, nowMs: JournalTime): boolean {
  const key = keyWindowOf(capabilities)
  if (key === null || entry.keySpent || entry.firstSentAtMs === null) return false
  return nowMs + capabilities.limits.timeoutMs < entry.firstSentAtMs + key.windowMs - key.marginMs
}

/**
 * Whether another call is still worth it: patience is a matter of calls *and* of time. Short delays use up any number of
 * calls within an outage of minutes, and a number alone would park whatever met it. A spent key repeats its answer,
 * however long one waits.
 */
export function mayTryAgain(
  entry: Entry,
  { maxAttempts, patienceMs }: Pick<Limits, 'maxAttempts' | 'patienceMs'>,
  nowMs: JournalTime,
): boolean {
  // The journal's clock may have been set back meanwhile.
  const triedForMs = Math.max(0, nowMs - (entry.firstSentAtMs ?? nowMs))
  return entry.attempts < maxAttempts || (triedForMs < patienceMs && !entry.keySpent)
}

function attemptsExhausted(entry: Entry, whatIsTrue: string): Reason {
  const last = entry.reason === null ? '' : ` Last word: ${entry.reason.message}`
  return {
    code: 'attempts_exhausted',
    message: `${entry.attempts} calls did not bring an outcome. ${whatIsTrue}${last}`,
  }
}

/** The reason for parking an entry that is proven absent but has used up its calls. */
export function absentButExhausted(entry: Entry): Reason {
  return attemptsExhausted(entry, 'The service says that it did not happen.')
}

function findFailsTooOften(entry: Entry): Reason {
  return {
    code: 'find_keeps_failing',
    message: `${entry.findFailures} look-ups in a row could not ask the service, so nobody knows whether it happened.`,
  }
}

function whyNoWayOut(entry: Entry, capabilities: Capabilities, attemptsLeft: boolean): Reason {
  if (capabilities.doubt === 'park') {
    return { code: 'no_way_to_know', message: 'The service honours no key and cannot be asked: it may have happened.' }
  }
  if (!attemptsLeft) return attemptsExhausted(entry, 'It may have happened.')
  if (entry.keySpent) {
    return { code: 'key_spent', message: 'The service repeats a stored answer that does not say whether it happened.' }
  }
  return { code: 'key_expired', message: 'The key may have expired, so calling again could make it happen twice.' }
}
