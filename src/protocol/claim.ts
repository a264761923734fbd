import type { Entry, Intent, JournalTime } from './entry.js'

/** On what terms somebody takes an entry. */
export interface ClaimTerms {
  readonly owner: string
  /** How long the right to act lasts. */
  readonly leaseMs: number
  /** How long a call may take that starts with the claim; it ends inside the lease (P3). */
  readonly timeoutMs: number
}

/** A new entry, claimed at once: the first call is about to be made (P1). */
export function begin(intent: Intent, terms: ClaimTerms, nowMs: JournalTime): Entry {
  const pending = enqueue(intent, nowMs, nowMs)
  return takeForCall(pending, terms, nowMs)
}

/** A new entry that waits for a dispatcher, not before `dueAtMs`. */
export function enqueue(intent: Intent, dueAtMs: JournalTime, nowMs: JournalTime): Entry {
  const { hasSettledHandler, ...identity } = intent
  return {
    ...identity,
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
    settlement: hasSettledHandler ? 'due' : 'none',
    settlementAttempts: 0,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  }
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

/**
 * The entry as its new holder has it. From `pending` it goes straight to `executing`, since a call is always allowed
 * there; a lost call becomes a doubt; a doubt stays one, held.
 */
export function claim(entry: Entry, terms: ClaimTerms, nowMs: JournalTime): Entry {
  if (entry.state === 'pending') return takeForCall(entry, terms, nowMs)
  return {
    ...entry,
    ...held(entry, terms, nowMs),
    state: 'in_doubt',
    inDoubtSinceMs: entry.inDoubtSinceMs ?? nowMs,
  }
}

/** Whether a new generation may begin: this one is known not to have taken effect, and its consequences are done (P6). */
export function isRenewable(entry: Entry): boolean {
  if (entry.state === 'failed') return entry.settlement !== 'due' && entry.forcedBy === null
  return entry.state === 'parked' && entry.inDoubtSinceMs === null
}

function takeForCall(entry: Entry, terms: ClaimTerms, nowMs: JournalTime): Entry {
  return {
    ...entry,
    ...held(entry, terms, nowMs),
    state: 'executing',
    attempts: entry.attempts + 1,
    // Known not to have been executed: whatever was sent before left no trace, so the key's window starts anew.
    firstSentAtMs: nowMs,
    lastDeadlineAtMs: nowMs + terms.timeoutMs,
  }
}

// `dueAtMs` follows the lease, so that one index finds both what is due and what was lost.
function held(entry: Entry, terms: ClaimTerms, nowMs: JournalTime) {
  const leaseUntilMs = nowMs + terms.leaseMs
  return { owner: terms.owner, fence: entry.fence + 1, leaseUntilMs, dueAtMs: leaseUntilMs, updatedAtMs: nowMs }
}
