import { assertCallEndsInsideLease } from './claim.js'
import { mayTryAgain } from './decide.js'
import type { Entry, JournalTime, Settlement, State } from './entry.js'
import { ProtocolViolation } from './errors.js'
import type { JsonValue } from './json-value.js'
import type { Outcome, Reason } from './outcome.js'

/** What happened to an entry that its holder writes down. */
export type Event =
  /** Another call is about to be made from doubt, allowed by `proof` (P4); committed before the first byte (P1). */
  | {
      readonly type: 'attempt_started'
      readonly proof: 'key' | 'absence'
      readonly leaseMs: number
      readonly timeoutMs: number
    }
  /**
   * The call under way came to `outcome`. `callOver`: it ended by itself, so nothing of it can still be on its way
   * from here (a call that was abandoned at its deadline may be).
   */
  | {
      readonly type: 'attempt_ended'
      readonly outcome: Outcome
      readonly callOver: boolean
      /**
       * It says nothing of this entry (protocol `countsAgainstEntry`): it does not count as an attempt, so that an outage
       * uses none up. Default false.
       */
      readonly uncounted?: boolean
      readonly retryInMs: number
      readonly maxAttempts: number
      /** As in `Limits`. Default 0. */
      readonly patienceMs?: number
    }
  | { readonly type: 'found'; readonly receipt: JsonValue; readonly externalId: string | null }
  | { readonly type: 'found_rejected'; readonly reason: Reason }
  /** It surely did not happen (P4 b), and its next call is not made at once: it waits for it like any other. */
  | { readonly type: 'found_absent'; readonly dueInMs: number }
  /**
   * The doubt could not be ended yet. `findFailed` says why the service could not be asked, where that was it (P5);
   * `uncounted`: as of a call.
   */
  | {
      readonly type: 'postponed'
      readonly dueInMs: number
      readonly findFailed: Reason | null
      readonly uncounted?: boolean
    }
  /** `knownAbsent`: it is proven not to have happened, so that a person may ask for a new generation. */
  | { readonly type: 'parked'; readonly reason: Reason; readonly knownAbsent: boolean }

/**
 * What an event changes, with all times relative to the moment of writing: the journal's clock fills them in (P3).
 * A journal writes exactly these fields, in one statement, if the fence still stands.
 */
export interface Change {
  readonly state: State
  /** How long the lease lasts from now; null: released. */
  readonly leaseForMs: number | null
  /** When it is due, from now; null: nobody needs to look at it. */
  readonly dueInMs: number | null
  /** A call starts now and ends within this time; null: none starts. */
  readonly callForMs: number | null
  /** The last call is over now, before its deadline. */
  readonly callOver: boolean
  readonly doubt: 'keep' | 'begin' | 'clear'
  readonly attempts: number
  readonly findFailures: number
  readonly keySpent: boolean
  readonly receipt: JsonValue | null
  readonly externalId: string | null
  readonly reason: Reason | null
  readonly settlement: Settlement
}

/**
 * The entry after `event`, at `nowMs` on the journal's clock.
 *
 * @throws {ProtocolViolation} for an event that cannot happen in the entry's state.
 */
export function apply(entry: Entry, event: Event, nowMs: JournalTime): Entry {
  return enact(entry, transition(entry, event), nowMs)
}

/**
 * What `event` changes in `entry`.
 *
 * @throws {ProtocolViolation} for an event that cannot happen in the entry's state, or to an entry that nobody holds: a bug, never
 *   an operating error.
 */
export function transition(entry: Entry, event: Event): Change {
  switch (event.type) {
    case 'attempt_started':
      expectState(entry, event, 'in_doubt')
      assertCallEndsInsideLease(event)
      return {
        ...unchanged(entry),
        state: 'executing',
        leaseForMs: event.leaseMs,
        dueInMs: event.leaseMs,
        callForMs: event.timeoutMs,
        doubt: event.proof === 'absence' ? 'clear' : 'keep',
        attempts: entry.attempts + 1,
        findFailures: 0,
      }
    case 'attempt_ended':
      expectState(entry, event, 'executing')
      return { ...attemptEnded(entry, event), callOver: event.callOver }
    case 'found':
      expectState(entry, event, 'in_doubt')
      return executed(entry, event.receipt, event.externalId)
    case 'found_rejected':
      expectState(entry, event, 'in_doubt')
      return rejected(entry, event.reason)
    case 'found_absent':
      expectState(entry, event, 'in_doubt')
      return { ...unchanged(entry), state: 'pending', doubt: 'clear', dueInMs: event.dueInMs, findFailures: 0 }
    case 'postponed':
      expectState(entry, event, 'in_doubt')
      return {
        ...unchanged(entry),
        dueInMs: event.dueInMs,
        findFailures: findFailuresAfter(entry, event),
        reason: event.findFailed ?? entry.reason,
      }
    case 'parked':
      expectState(entry, event, 'in_doubt')
      return {
        ...unchanged(entry),
        state: 'parked',
        doubt: event.knownAbsent ? 'clear' : 'keep',
        reason: event.reason,
      }
  }
}

// An uncounted failure is no answer either: what was counted stays.
function findFailuresAfter({ findFailures }: Entry, event: Event & { type: 'postponed' }): number {
  if (event.findFailed === null) return 0
  return event.uncounted === true ? findFailures : findFailures + 1
}

function attemptEnded(entry: Entry, event: Event & { type: 'attempt_ended' }): Change {
  const { outcome } = event
  // Whatever this call did not do, an earlier one in doubt may still have done.
  const earlierDoubt = entry.inDoubtSinceMs !== null
  switch (outcome.kind) {
    case 'executed':
      return executed(entry, outcome.receipt, outcome.externalId)
    case 'rejected':
      return earlierDoubt && !outcome.settlesDoubt
        ? inDoubt(entry, outcome.reason, event.retryInMs, true)
        : rejected(entry, outcome.reason)
    case 'not_executed':
      if (earlierDoubt) return inDoubt(spared(entry, event), outcome.reason, event.retryInMs, entry.keySpent)
      return isWorthMore(entry, event)
        ? { ...unchanged(spared(entry, event)), state: 'pending', dueInMs: event.retryInMs, reason: outcome.reason }
        : { ...unchanged(entry), state: 'parked', reason: exhausted(entry, outcome.reason) }
    case 'unknown':
      return inDoubt(spared(entry, event), outcome.reason, event.retryInMs, entry.keySpent || outcome.keySpent)
  }
}

/** The entry as it was before a call that does not count, with one more left to it at least. */
function spared(entry: Entry, { uncounted, maxAttempts }: Event & { type: 'attempt_ended' }): Entry {
  // Never below 1: an entry that was sent has an attempt, and the key's window counts from it.
  return uncounted === true ? { ...entry, attempts: Math.max(1, Math.min(entry.attempts, maxAttempts) - 1) } : entry
}

// `updatedAtMs` of an entry under way is when its call began: all times are the journal's (P3).
function isWorthMore(entry: Entry, { uncounted, maxAttempts, patienceMs = 0 }: Event & { type: 'attempt_ended' }) {
  return uncounted === true || mayTryAgain(entry, { maxAttempts, patienceMs }, entry.updatedAtMs)
}

/** Nothing but the release of the lease. */
function unchanged(entry: Entry): Change {
  return {
    state: entry.state,
    leaseForMs: null,
    dueInMs: null,
    callForMs: null,
    callOver: false,
    doubt: 'keep',
    attempts: entry.attempts,
    findFailures: entry.findFailures,
    keySpent: entry.keySpent,
    receipt: entry.receipt,
    externalId: entry.externalId,
    reason: entry.reason,
    settlement: entry.settlement,
  }
}

function executed(entry: Entry, receipt: JsonValue, externalId: string | null): Change {
  const dueInMs = settlementDueIn(entry)
  return { ...unchanged(entry), state: 'succeeded', doubt: 'clear', dueInMs, receipt, externalId, reason: null }
}

function rejected(entry: Entry, reason: Reason): Change {
  return { ...unchanged(entry), state: 'failed', doubt: 'clear', dueInMs: settlementDueIn(entry), reason }
}

/** Whoever records the outcome runs the `settled` handler at once; should it be lost, others look after this long. */
export const SETTLEMENT_GRACE_MS = 5_000

function settlementDueIn(entry: Entry): number | null {
  return entry.settlement === 'due' ? SETTLEMENT_GRACE_MS : null
}

function inDoubt(entry: Entry, reason: Reason, dueInMs: number, keySpent: boolean): Change {
  return { ...unchanged(entry), state: 'in_doubt', dueInMs, doubt: 'begin', keySpent, reason }
}

function exhausted(entry: Entry, last: Reason): Reason {
  return {
    code: 'attempts_exhausted',
    message: `${entry.attempts} calls were made and none was executed. Last word: ${last.message}`,
  }
}

function expectState(entry: Entry, event: Event, state: State): void {
  if (entry.state !== state) {
    throw new ProtocolViolation(
      `${event.type} cannot happen to entry ${entry.id} in state ${entry.state}, only in ${state}`,
    )
  }
  if (entry.owner === null) {
    throw new ProtocolViolation(`${event.type} cannot happen to entry ${entry.id}: nobody holds it`)
  }
}

/** The entry after `change`, written at `nowMs` on the journal's clock. What a journal's SQL must do, to the letter. */
export function enact(entry: Entry, change: Change, nowMs: JournalTime): Entry {
  return {
    ...entry,
    state: change.state,
    owner: change.leaseForMs === null ? null : entry.owner,
    leaseUntilMs: change.leaseForMs === null ? null : nowMs + change.leaseForMs,
    dueAtMs: change.dueInMs === null ? null : nowMs + change.dueInMs,
    attempts: change.attempts,
    findFailures: change.findFailures,
    firstSentAtMs: change.callForMs === null ? entry.firstSentAtMs : (entry.firstSentAtMs ?? nowMs),
    lastDeadlineAtMs: lastDeadline(entry, change, nowMs),
    inDoubtSinceMs: doubtSince(entry, change, nowMs),
    keySpent: change.keySpent,
    receipt: change.receipt,
    externalId: change.externalId,
    reason: change.reason,
    settlement: change.settlement,
    updatedAtMs: nowMs,
  }
}

function lastDeadline(entry: Entry, change: Change, nowMs: JournalTime): JournalTime | null {
  if (change.callForMs !== null) return Math.max(entry.lastDeadlineAtMs ?? 0, nowMs + change.callForMs)
  // Only where no earlier call is in doubt: of that one, an abandoned rest may be under way until the old deadline.
  if (change.callOver && entry.lastDeadlineAtMs !== null && entry.inDoubtSinceMs === null) {
    return Math.min(entry.lastDeadlineAtMs, nowMs)
  }
  return entry.lastDeadlineAtMs
}

function doubtSince(entry: Entry, change: Change, nowMs: JournalTime): JournalTime | null {
  if (change.doubt === 'clear') return null
  return change.doubt === 'begin' ? (entry.inDoubtSinceMs ?? nowMs) : entry.inDoubtSinceMs
}
