import { type Change, enact, transition } from './apply.js'
import type { Capabilities } from './capabilities.js'
import { decide } from './decide.js'
import type { Entry, JournalTime } from './entry.js'
import { ProtocolViolation } from './errors.js'
import type { JsonValue } from './json-value.js'
import type { FindResult, Reason } from './outcome.js'

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
  /** The mark of an end without proof (protocol `forcedResolution`). Left out: what stands there stays. */
  readonly forcedBy?: string
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
  return found.attempts < maxAttempts ? dueAgain(parked) : parked
}

/** The service was asked and answered, so the look-ups before that failed are no longer in a row with any to come. */
function dueAgain(parked: Change): Change {
  return { ...parked, state: 'pending', dueInMs: 0, findFailures: 0 }
}

/** Who has a parked entry tried again, why, and what makes its next call safe. */
export interface ResumeOrder {
  readonly actor: string
  readonly reason: string
  /**
   * `known`: the entry says itself that nothing of it is in doubt. `absence`: the service was asked late enough, and does
   * not have it (P4 b). `key`: it may have happened, and its key protects the next call (P4 a): it stays in doubt.
   */
  readonly proof: 'known' | 'absence' | 'key'
}

/**
 * What a person's word makes of a parked entry: it waits for its turn again, or, by its key, for the resolver; with as many
 * calls left as one that was called once. The window of its key goes on counting from its first send.
 *
 * A person's word is no proof (P4): what may have happened is not called again on the strength of it.
 *
 * @throws {ProtocolViolation} it is not parked, or the proof is none for it.
 */
export function resumeChange(entry: Entry, { actor, reason, proof }: ResumeOrder): Change {
  if (entry.state !== 'parked') {
    throw new ProtocolViolation(`Entry ${entry.id} cannot be resumed: it is ${entry.state}, not parked`)
  }
  if (proof === 'known' && entry.inDoubtSinceMs !== null) {
    throw new ProtocolViolation(`Entry ${entry.id} cannot be resumed: it may have happened`)
  }
  if (proof === 'key' && entry.inDoubtSinceMs === null) {
    throw new ProtocolViolation(`Entry ${entry.id} cannot be resumed by its key: nothing of it is in doubt`)
  }
  const parked = transition(
    { ...entry, state: 'in_doubt', owner: entry.owner ?? 'evidence' },
    { type: 'parked', reason: resumed(entry, actor, reason), knownAbsent: proof !== 'key' },
  )
  // Never below 1: what was sent has an attempt.
  const again = { ...dueAgain(parked), attempts: Math.min(entry.attempts, 1) }
  return proof === 'key' ? { ...again, state: 'in_doubt' } : again
}

/** The change by which a doubt that cannot be looked up is tried again, or why it is not. */
export type ResumedByKey = { readonly change: Change } | { readonly change: null; readonly reason: Reason }

/**
 * What a person's word makes of a parked entry that may have happened, and whose service cannot be asked: it is in doubt
 * again, for the resolver to call by its key, if that is what {@link decide} would say of it now. It is asked again when
 * the call is about to be made: the time that lies between counts.
 *
 * @throws {ProtocolViolation} it is not parked, or nothing of it is in doubt.
 */
export function resumeByKey(
  entry: Entry,
  capabilities: Capabilities,
  by: Omit<ResumeOrder, 'proof'>,
  nowMs: JournalTime,
): ResumedByKey {
  const change = resumeChange(entry, { ...by, proof: 'key' })
  const step = decide(enact(entry, change, nowMs), capabilities, nowMs)
  if (step.do === 'park') return { change: null, reason: step.reason }
  if (step.do !== 'execute') return { change: null, reason: ASK_FIRST }
  return entry.serializeKey === null ? { change } : { change: null, reason: OUT_OF_LINE }
}

const ASK_FIRST: Reason = { code: 'can_be_asked', message: 'The service can be asked whether it happened.' }

// A doubt needs no turn, since it keeps those behind it waiting; past one that was parked, they have gone on.
const OUT_OF_LINE: Reason = {
  code: 'out_of_line',
  message:
    'It may have happened, and has a serializeBy: those behind it went on while it was parked, and it would be called ' +
    'beside one that is under way.',
}

/** What the service said to a person's look-up; `proven`: an absence that was asked for late enough (P4 b). */
export interface LookUpAnswer {
  readonly result: FindResult
  readonly proven: boolean
}

/**
 * What a look-up makes of a parked entry that may have happened, and that a person wants tried again: it is settled, or
 * tried again; null where the answer says too little. Three answers stay three (P5).
 *
 * @throws {ProtocolViolation} it is not parked.
 */
export function resumeByFind(
  entry: Entry,
  { result, proven }: LookUpAnswer,
  by: Omit<ResumeOrder, 'proof'>,
): Change | null {
  switch (result.kind) {
    case 'present':
    case 'rejected':
      return evidenceChange(entry, result)
    case 'absent':
      return proven ? resumeChange(entry, { ...by, proof: 'absence' }) : null
    case 'could_not_ask':
      return null
  }
}

function resumed({ reason: before }: Entry, actor: string, reason: string): Reason {
  const detail = { actor, reason, parkedFor: before?.code ?? null }
  return { code: 'resumed', message: `${actor} had it tried again: ${reason}`, detail }
}

/** An entry that has not been executed and shall not be: what a compensation makes of one that was not begun. */
export function callOffChange(entry: Entry, reason: Reason): Change {
  return transition(
    { ...entry, state: 'in_doubt', owner: entry.owner ?? 'evidence' },
    { type: 'found_rejected', reason },
  )
}
