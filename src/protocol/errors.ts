import type { State } from './entry.js'
import type { Reason } from './outcome.js'

/** Stable codes: safe to store, to log, and to branch on. */
export type CounterfoilErrorCode =
  | 'invalid_input'
  | 'invalid_key'
  | 'invalid_receipt'
  | 'key_reuse'
  | 'effect_rejected'
  | 'effect_in_doubt'
  | 'effect_compensated'
  | 'compensation_refused'
  | 'audit_incomplete'
  | 'audit_under_way'
  | 'lease_lost'
  | 'lease_unavailable'
  | 'generation_not_open'
  | 'configuration'
  | 'journal'
  | 'protocol_violation'

/**
 * The base of every error that Counterfoil throws. `code` is stable; `message` says what happened, what is now true,
 * and what to do next; `cause` keeps the error below it.
 */
export abstract class CounterfoilError extends Error {
  abstract readonly code: CounterfoilErrorCode
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Which effect an error speaks of. `id` is the entry's id: what a caller stores when it answers 202. */
export interface EffectIdentity {
  readonly id: string
  readonly effect: string
  readonly key: string
  readonly generation: number
  readonly reference: string
}

function describe(identity: EffectIdentity): string {
  const generation = identity.generation === 1 ? '' : `, generation ${identity.generation}`
  return `${identity.effect} ${JSON.stringify(identity.key)}${generation}`
}

/** The input cannot be journalled. Nothing was written and nothing was sent. */
export class InvalidInputError extends CounterfoilError {
  readonly code = 'invalid_input'
  /** Where in the input, for example `input.lines[3].price`. */
  readonly path: string
  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`${path} ${problem}. Nothing was written or sent.`, options)
    this.path = path
  }
}

/** The business key is empty or too long. Nothing was written and nothing was sent. */
export class InvalidKeyError extends CounterfoilError {
  readonly code = 'invalid_key'
  constructor(problem: string) {
    super(`The key ${problem}. Nothing was written or sent.`)
  }
}

/**
 * An audit could not see everything, so it is marked incomplete and nothing was repaired: what it did not see proves
 * nothing. `problem` is stable: `list_failed`, `listed_nothing`, `repeated_page`, `unreadable_operation`.
 */
export class AuditIncomplete extends CounterfoilError {
  readonly code = 'audit_incomplete'
  readonly problem: string
  constructor(problem: string, message: string, options?: ErrorOptions) {
    super(`${message} The audit is incomplete: nothing was repaired. Run it again once the cause is mended.`, options)
    this.problem = problem
  }
}

/** Another process audits the same effect, in another way than was asked for. Nothing was done by this call. */
export class AuditUnderWay extends CounterfoilError {
  readonly code = 'audit_under_way'
}

/** A holder lost its lease: another has taken over, and what this one wanted to write changed nothing (P2). */
export class LeaseLostError extends CounterfoilError {
  readonly code = 'lease_lost'
}

/**
 * A lease was not granted. The caller holds nothing; a grant whose answer was lost ends by its expiry.
 *
 * `reason`: `held`: another holds it. `unreachable`: the service could not be asked. `recovering`: the service has lost
 * its memory, or may have, and refuses until every lease that it may have forgotten is over.
 */
export class LeaseUnavailable extends CounterfoilError {
  readonly code = 'lease_unavailable'
  readonly key: string
  readonly reason: 'held' | 'unreachable' | 'recovering'
  /** Whether the same may work in a moment, rather than never (no rights, a missing table). */
  readonly transient: boolean
  constructor(
    key: string,
    reason: LeaseUnavailable['reason'],
    problem: string,
    options: ErrorOptions & { readonly transient?: boolean } = {},
  ) {
    super(`Lease ${JSON.stringify(key)}: ${problem}`, options)
    this.key = key
    this.reason = reason
    this.transient = options.transient ?? true
  }
}

/** The generation that was asked for cannot begin: the one before it is not known to have failed (P6). */
export class GenerationNotOpenError extends CounterfoilError {
  readonly code = 'generation_not_open'
  readonly identity: EffectIdentity
  /** `state`: how the current generation stands; null: there is none yet. */
  constructor(identity: EffectIdentity, state: State | null, asked: number) {
    const stands = state === null ? 'there is none before it' : `generation ${identity.generation} is ${state}`
    super(
      `Generation ${asked} of ${identity.effect} ${JSON.stringify(identity.key)} cannot begin: ${stands}. ` +
        'A new generation begins only after the last one is known not to have taken effect. Nothing was sent.',
    )
    this.identity = identity
  }
}

/** An option or a definition makes no sense. Thrown while the application starts, before any effect. */
export class ConfigurationError extends CounterfoilError {
  readonly code = 'configuration'
}

/** The journal could not be read or written. What was sent to the service is unaffected; the message says what is known. */
export class JournalError extends CounterfoilError {
  readonly code = 'journal'
  /** Whether the same may work in a moment (a lost connection), rather than never (no rights, a wrong schema). */
  readonly transient: boolean
  constructor(message: string, options: ErrorOptions & { readonly transient?: boolean } = {}) {
    super(message, options)
    this.transient = options.transient ?? true
  }
}

/** Whether trying the same again may help. */
export function isTransient(error: unknown): boolean {
  return (error instanceof JournalError || error instanceof LeaseUnavailable) && error.transient
}

/** A bug in Counterfoil: the protocol was asked for a step that does not exist. Nothing was written. */
export class ProtocolViolation extends CounterfoilError {
  readonly code = 'protocol_violation'
}
