import type { Entry, Intent, JournalTime } from './entry.js'
import { ProtocolViolation } from './errors.js'

/** On what terms somebody takes an entry. */
export interface ClaimTerms {
  readonly owner: string
  /** How long the right to act lasts. */
  readonly leaseMs: number
  /** How long a call may take that starts with the claim; it ends inside the lease (P3). */
  readonly timeoutMs: number
}

/**
 * A new entry, claimed at once: the first call is about to be made (P1). One with a `serializeKey` has to wait for its
 * turn instead.
 *
 * @throws {ProtocolViolation} when the call would not end inside the lease (P3).
 */
export function begin(intent: Intent, terms: ClaimTerms, nowMs: JournalTime): Entry {
  if (intent.serializeKey !== null) return enqueue(intent, nowMs, nowMs)
  assertCallEndsInsideLease(terms)
  // What `takeForCall` would make of it, without a copy: every effect comes through here.
  const entry: Fresh = enqueue(intent, nowMs + terms.leaseMs, nowMs)
  entry.state = 'executing'
  entry.fence = 1
  entry.owner = terms.owner
  entry.leaseUntilMs = entry.dueAtMs
  entry.attempts = 1
  entry.firstSentAtMs = nowMs
  entry.lastDeadlineAtMs = nowMs + terms.timeoutMs
  return entry
}

type Fresh = { -readonly [Field in keyof Entry]: Entry[Field] }

/** A new entry that waits for a dispatcher, not before `dueAtMs`. */
export function enqueue(intent: Intent, dueAtMs: JournalTime, nowMs: JournalTime): Entry {
  // Named one by one: a rest and a spread cost more than all else that a first try costs the client (measured).
  return {
    id: intent.id,
    namespace: intent.namespace,
    effect: intent.effect,
    key: intent.key,
    generation: intent.generation,
    reference: intent.reference,
    input: intent.input,
    isCompact: false,
    fingerprint: intent.fingerprint,
    serializeKey: intent.serializeKey,
    group: intent.group,
    state: 'pending',
    fence: 0,
    owner: null,
    leaseUntilMs: null,
    dueAtMs,
    attempts: 0,
    findFailures: 0,
    firstSentAtMs: null,
    lastDeadlineAtMs: null,
    inDoubtSinceMs: null,
    keySpent: false,
    receipt: null,
    externalId: null,
    reason: null,
    forcedBy: null,
    settlement: intent.hasSettledHandler ? 'due' : 'none',
    settlementAttempts: 0,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  }
}

/** From when on an enqueued effect may be made: a moment of the journal's clock, or so long after it was enqueued, by that clock (P3). */
export type NotBefore = { readonly atMs: JournalTime } | { readonly inMs: number }

/** When an effect is due that is enqueued at `nowMs`; null: at once. */
export function dueAtOf(notBefore: NotBefore | null, nowMs: JournalTime): JournalTime {
  if (notBefore === null) return nowMs
  return 'atMs' in notBefore ? notBefore.atMs : nowMs + notBefore.inMs
}

/**
 * Whether somebody may take the entry now: it is due and nobody holds it. A call under way whose lease has run out
 * counts: its holder is lost (P2).
 */
export function isClaimable(entry: Entry, nowMs: JournalTime): boolean {
  if (entry.state !== 'pending' && entry.state !== 'executing' && entry.state !== 'in_doubt') return false
  const free = entry.leaseUntilMs === null || entry.leaseUntilMs <= nowMs
  return free && entry.dueAtMs !== null && entry.dueAtMs <= nowMs
}

/** Whether what this holder writes may take effect: the entry is held, by it, under its own claim (P2). */
export function isHeldBy(entry: Entry, holder: { readonly owner: string; readonly fence: number }): boolean {
  // A write that releases the lease clears the owner, so that a late copy of an earlier write finds nothing to change.
  return entry.fence === holder.fence && entry.owner === holder.owner
}

/**
 * The entry as its new holder has it. From `pending` it goes straight to `executing`, since a call is always allowed
 * there; a lost call becomes a doubt; a doubt stays one, held.
 *
 * @throws {ProtocolViolation} when it is not claimable, or the call would not end inside the lease (P3).
 */
export function claim(entry: Entry, terms: ClaimTerms, nowMs: JournalTime): Entry {
  if (!isClaimable(entry, nowMs)) {
    throw new ProtocolViolation(
      `Entry ${entry.id} cannot be claimed: it is ${entry.state}, and held, not due or at rest`,
    )
  }
  if (entry.state === 'pending') return takeForCall(entry, terms, nowMs)
  const leaseUntilMs = nowMs + terms.leaseMs
  return {
    ...entry,
    state: 'in_doubt',
    fence: entry.fence + 1,
    owner: terms.owner,
    leaseUntilMs,
    // It follows the lease, so that one index finds both what is due and what was lost.
    dueAtMs: leaseUntilMs,
    inDoubtSinceMs: entry.inDoubtSinceMs ?? nowMs,
    updatedAtMs: nowMs,
  }
}

/** Whether a new generation may begin: this one is known not to have taken effect, and its consequences are done (P6). */
export function isRenewable(entry: Entry): boolean {
  if (entry.state === 'failed') return entry.settlement !== 'due' && entry.forcedBy === null
  return entry.state === 'parked' && entry.inDoubtSinceMs === null
}

function takeForCall(entry: Entry, terms: ClaimTerms, nowMs: JournalTime): Entry {
  assertCallEndsInsideLease(terms)
  const leaseUntilMs = nowMs + terms.leaseMs
  return {
    ...entry,
    state: 'executing',
    fence: entry.fence + 1,
    owner: terms.owner,
    leaseUntilMs,
    dueAtMs: leaseUntilMs,
    attempts: entry.attempts + 1,
    // Known not to have been executed, but the service may know our key since then (a stored refusal) and count its
    // window from there: a window counted anew would outlast the service's (P4).
    firstSentAtMs: entry.firstSentAtMs ?? nowMs,
    lastDeadlineAtMs: nowMs + terms.timeoutMs,
    updatedAtMs: nowMs,
  }
}

/** P3: whoever makes a call has given up on it before anybody else may take the entry. */
export function assertCallEndsInsideLease(terms: { readonly leaseMs: number; readonly timeoutMs: number }): void {
  if (!(terms.timeoutMs <= terms.leaseMs)) {
    throw new ProtocolViolation(`A call of ${terms.timeoutMs} ms does not end inside a lease of ${terms.leaseMs} ms`)
  }
}
