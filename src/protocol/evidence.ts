import { type Change, transition } from './apply.js'
import type { Entry, JournalTime } from './entry.js'
import type { JsonValue } from './json-value.js'
import type { Reason } from './outcome.js'

/** What somebody who did not make the call learned from the service: by its list, an event, or a question. */
export type Evidence =
  | { readonly kind: 'present'; readonly receipt: JsonValue; readonly externalId: string | null }
  /** The service knows the reference as refused for good. */
  | { readonly kind: 'rejected'; readonly reason: Reason }
  /**
   * It surely did not happen: asked later than the last moment at which it could still have become visible (P4 b).
   * `calledOff`: nor shall it happen any more.
   */
  | { readonly kind: 'absent'; readonly maxAttempts: number; readonly calledOff: Reason | null }

/** Writes evidence if the entry is still as it was seen: the same claim, the same state, and nobody holds it (P2). */
export interface EvidenceWrite {
  readonly id: string
  /** As seen. The write raises it, so that whoever held the entry before cannot write after it. */
  readonly fence: number
  readonly state: 'pending' | 'in_doubt' | 'parked'
  readonly change: Change
}

/**
 * Whether evidence may settle the entry now: it is in doubt or parked and nobody holds it. A call that is under way is
 * its holder's to record; what is at rest by an outcome is never changed by what comes later.
 */
export function acceptsEvidence(entry: Entry, nowMs: JournalTime): boolean {
  if (entry.state !== 'in_doubt' && entry.state !== 'parked') return false
  return entry.leaseUntilMs === null || entry.leaseUntilMs <= nowMs
}

/** What evidence makes of an entry that {@link acceptsEvidence}: the same as if its holder had found it. */
export function evidenceChange(entry: Entry, evidence: Evidence): Change {
  const found: Entry = { ...entry, state: 'in_doubt', owner: entry.owner ?? 'evidence' }
  switch (evidence.kind) {
    case 'present':
      return transition(found, { type: 'found', receipt: evidence.receipt, externalId: evidence.externalId })
    case 'rejected':
      return transition(found, { type: 'found_rejected', reason: evidence.reason })
    case 'absent':
      return absentChange(found, evidence.maxAttempts, evidence.calledOff)
  }
}

function absentChange(found: Entry, maxAttempts: number, calledOff: Reason | null): Change {
  if (calledOff !== null) return transition(found, { type: 'found_rejected', reason: calledOff })
  const reason = { code: 'surely_absent', message: 'The service does not have it, and nothing of it is under way.' }
  const parked = transition(found, { type: 'parked', reason, knownAbsent: true })
  // What was accepted is not dropped (P9): it is known not to have happened, so it may be done now.
  return found.attempts < maxAttempts ? { ...parked, state: 'pending', dueInMs: 0 } : parked
}

/** An entry that has not been executed and shall not be: what a compensation makes of one that was not begun. */
export function callOffChange(entry: Entry, reason: Reason): Change {
  return transition(
    { ...entry, state: 'in_doubt', owner: entry.owner ?? 'evidence' },
    { type: 'found_rejected', reason },
  )
}
