import type { Event } from './apply.js'
import type { Limits } from './capabilities.js'
import { absentButExhausted, type Step } from './decide.js'
import type { Entry, JournalTime } from './entry.js'
import type { FindResult } from './outcome.js'

/** A look-up as `decide` asked for it. */
export type FindStep = Extract<Step, { readonly do: 'find' }>

/** What it takes to go on after a look-up. */
export interface ResolveTerms {
  readonly limits: Limits
  /** The lease of the next call, should one be allowed. */
  readonly leaseMs: number
  /** When to look again, at the latest, where this look-up did not end the doubt. */
  readonly retryInMs: number
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
      return { type: 'postponed', dueInMs: terms.retryInMs, findFailed: result.reason }
    case 'absent':
      return asked.absenceProves ? afterProvenAbsence(entry, terms) : lookAgain(asked, terms)
  }
}

function afterProvenAbsence(entry: Entry, { limits, leaseMs }: ResolveTerms): Event {
  return entry.attempts < limits.maxAttempts
    ? { type: 'attempt_started', proof: 'absence', leaseMs, timeoutMs: limits.timeoutMs }
    : { type: 'parked', reason: absentButExhausted(entry), knownAbsent: true }
}

// Too early to prove anything: look again as usual, but not later than when it will.
function lookAgain(asked: FindStep, { retryInMs, askedAtMs }: ResolveTerms): Event {
  const untilProofMs = Math.max(0, asked.provesFromMs + 1 - askedAtMs)
  return { type: 'postponed', dueInMs: Math.min(retryInMs, untilProofMs), findFailed: null }
}
