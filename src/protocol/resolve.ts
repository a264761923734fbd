import type { Event } from './apply.js'
import type { Limits } from './capabilities.js'
import { absentButExhausted, mayTryAgain, type Step } from './decide.js'
import type { Entry, JournalTime } from './entry.js'
import type { FindResult } from './outcome.js'

/** A look-up as `decide` asked for it. */
export type FindStep = Extract<Step, { readonly do: 'find' }>

/** What it takes to go on after a look-up. */
export interface ResolveTerms {
  readonly limits: Limits
  /** The lease of the next call, should one be allowed. */
  readonly leaseMs: number
  /** When to look again, at the soonest, where this look-up did not end the doubt. */
  readonly retryInMs: number
  /** A failure to ask says nothing of this entry (protocol `countsAgainstEntry`), and is not counted. Default false. */
  readonly uncounted?: boolean
  /** How long the next call, should one be allowed, is held back by the service's rate limit. Default 0: it is made at once. */
  readonly heldBackMs?: number
  /** When `decide` was asked, on the journal's clock: not later than the look-up itself. */
  readonly askedAtMs: JournalTime
}

/**
 * What a look-up's answer makes of a doubt: the evidence that ends it, another call, or more patience. Pure.
 *
 * Three answers stay three (P5): only an absence that was asked late enough allows another call (P4 b), and an answer
 * that could not be had is counted, never believed.
 */
export function resolveByFind(entry: Entry, asked: FindStep, result: FindResult, terms: ResolveTerms): Event {
  switch (result.kind) {
    case 'present':
      return { type: 'found', receipt: result.receipt, externalId: result.externalId }
    case 'rejected':
      return { type: 'found_rejected', reason: result.reason }
    case 'could_not_ask':
      return {
        type: 'postponed',
        dueInMs: terms.retryInMs,
        findFailed: result.reason,
        uncounted: terms.uncounted ?? false,
      }
    case 'absent':
      return asked.absenceProves ? afterProvenAbsence(entry, terms) : lookAgain(asked, terms)
  }
}

function afterProvenAbsence(entry: Entry, { limits, leaseMs, heldBackMs = 0, askedAtMs }: ResolveTerms): Event {
  if (!mayTryAgain(entry, limits, askedAtMs)) {
    return { type: 'parked', reason: absentButExhausted(entry), knownAbsent: true }
  }
  if (heldBackMs > 0) return { type: 'found_absent', dueInMs: heldBackMs }
  return { type: 'attempt_started', proof: 'absence', leaseMs, timeoutMs: limits.timeoutMs }
}

// Too early to prove anything. An operation that shows up late ends the doubt at once, so look in between too, at half
// of what is left each time: few questions, however long the service may take.
function lookAgain(asked: FindStep, { retryInMs, askedAtMs }: ResolveTerms): Event {
  const untilProofMs = Math.max(0, asked.provesFromMs + 1 - askedAtMs)
  const dueInMs = Math.min(untilProofMs, Math.max(retryInMs, untilProofMs / 2))
  return { type: 'postponed', dueInMs, findFailed: null }
}
