import type { State } from './entry.js'
import type { Reason } from './outcome.js'

/** Stable codes: safe to store, to log, and to branch on. */
export type CounterfoilErrorCode =
  | 'invalid_input'
  | 'invalid_key'
  | 'invalid_message'
  | 'poison_message'
  | 'invalid_receipt'
  | 'key_reuse'
  | 'effect_rejected'
  | 'effect_in_doubt'
  | 'effect_not_begun'
  | 'effect_compensated'
  | 'effect_compacted'
  | 'compensation_refused'
  | 'audit_incomplete'
  | 'audit_under_way'
  | 'lease_lost'
  | 'lease_unavailable'
  | 'generation_not_open'
  | 'settled_timeout'
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

/** Which effect an error speaks of. `id` is the entry's id: what a caller stores when it answers 202, and `counterfoil.entry` takes. */
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

/** A message cannot be received as it is named: its source, id or consumer is missing or cannot be stored. Nothing was written. */
export class InvalidMessageError extends CounterfoilError {
  readonly code = 'invalid_message'
  constructor(problem: string) {
    super(`The message's ${problem}. Nothing was written.`)
  }
}

/**
 * Throw it in a consumer's handler when no redelivery can help (a body that cannot be read): the message is dead-lettered
 * at once, with this message as its reason, and nothing of the handler's is written.
 */
export class PoisonMessageError extends CounterfoilError {
  readonly code = 'poison_message'
}

/** The effect was executed, but what the service returned is not what the receipt schema asks for (P8: it stays executed). */
export class InvalidReceiptError extends CounterfoilError {
  readonly code = 'invalid_receipt'
  readonly identity: EffectIdentity
  readonly receipt: unknown
  constructor(identity: EffectIdentity, receipt: unknown, problem: string) {
    super(
      `${describe(identity)} was executed and is recorded so, but its receipt does not match the schema: ${problem}. ` +
        'Do not call the service again; mend the schema or read the receipt as it is.',
    )
    this.identity = identity
    this.receipt = receipt
  }
}

/** The key was used before with another input (P7). The earlier effect stands untouched; nothing was sent for this one. */
export class KeyReuseError extends CounterfoilError {
  readonly code = 'key_reuse'
  readonly identity: EffectIdentity
  /** `words`: in place of the usual ones, where these would not say what the user knows it by. */
  constructor(identity: EffectIdentity, words: { readonly problem?: string; readonly next?: string } = {}) {
    const {
      problem = `${describe(identity)} exists already with another input. The earlier effect stands as it is and nothing was sent.`,
      next = 'Use another key for another effect; if only part of the input identifies it, name that part with `fingerprint`.',
    } = words
    super(`${problem} ${next}`)
    this.identity = identity
  }
}

/** It did not happen, and will not under this generation (P6); or a person said so of what nobody could know (`forcedBy`). */
export class EffectRejected extends CounterfoilError {
  readonly code = 'effect_rejected'
  readonly identity: EffectIdentity
  readonly reason: Reason
  /** Who ended it without proof, and why; null where it is known. */
  readonly forcedBy: string | null
  constructor(identity: EffectIdentity, reason: Reason, { forcedBy = null }: { forcedBy?: string | null } = {}) {
    const why = `${reason.message} (${reason.code})`
    super(
      forcedBy === null
        ? `${describe(identity)} was rejected and did not happen: ${why}. ` +
            `The rejection stands for every duplicate; to try anew, ask for generation ${identity.generation + 1}.`
        : `${describe(identity)} was in doubt, and ended as failed by a person's word, without proof: ${why}. ` +
            'It stands for every duplicate, and no new generation begins after it: what is to happen after all is ' +
            'another effect, with another key.',
    )
    this.identity = identity
    this.reason = reason
    this.forcedBy = forcedBy
  }
}

/** Not known yet, within the caller's `wait`. It may or may not have happened; nothing is lost, and nobody should repeat it. */
export class EffectInDoubt extends CounterfoilError {
  readonly code = 'effect_in_doubt'
  readonly identity: EffectIdentity
  /** Where the entry stood when the caller stopped waiting. `parked` needs a person or an audit. */
  readonly state: State
  readonly reason: Reason | null
  constructor(identity: EffectIdentity, state: State, reason: Reason | null, options?: ErrorOptions) {
    const why = reason === null ? '' : ` Last word: ${reason.message} (${reason.code}).`
    const next =
      state === 'parked'
        ? 'It is parked, for a person or an audit to settle: `resume` has it tried again once its cause is mended, and ' +
          '`resolveByHand` writes down what was seen at the service.'
        : 'A resolver goes on with it; call perform again with the same key to wait for the answer, or answer 202 with ' +
          'its id, by which `counterfoil.entry` tells how it stands.'
    super(`${describe(identity)} has no known outcome yet (${state}).${why} ${next}`, options)
    this.identity = identity
    this.state = state
    this.reason = reason
  }
}

/**
 * It has not begun within the caller's `wait`, since as many effects as this process may have under way (`maxUnderWay`)
 * are. Nothing was written or sent for it, and no resolver knows of it.
 */
export class EffectNotBegun extends CounterfoilError {
  readonly code = 'effect_not_begun'
  readonly identity: EffectIdentity
  constructor(identity: EffectIdentity, options?: ErrorOptions) {
    super(
      `${describe(identity)} has not begun: as many effects as \`maxUnderWay\` allows are under way in this process. Nothing ` +
        'was written or sent for it, nor will be unless somebody else asks for it. Ask again with the same key.',
      options,
    )
    this.identity = identity
  }
}

/**
 * It happened and has been undone since, or is being undone: a duplicate gets neither a receipt to rely on nor a second
 * execution. What is to happen anew is another effect, with another key.
 */
export class EffectCompensated extends CounterfoilError {
  readonly code = 'effect_compensated'
  readonly identity: EffectIdentity
  readonly state: 'compensating' | 'compensated'
  /** What the service returned when it was executed; null once the retention has let that go. */
  readonly receipt: unknown
  constructor(identity: EffectIdentity, state: 'compensating' | 'compensated', receipt: unknown) {
    const now = state === 'compensated' ? 'has been undone since' : 'is being undone'
    super(
      `${describe(identity)} was executed and ${now}. Nothing was sent for this call. ` +
        'If it is to happen again, that is another effect: give it another key.',
    )
    this.identity = identity
    this.state = state
    this.receipt = receipt
  }
}

/**
 * It happened, so long ago that the retention has let its receipt go: a duplicate is told so, and is not executed again.
 * The service knows it by `externalId`, and by the reference.
 */
export class EffectCompacted extends CounterfoilError {
  readonly code = 'effect_compacted'
  readonly identity: EffectIdentity
  /** The service's own id of what happened; null where it gave none. */
  readonly externalId: string | null
  constructor(identity: EffectIdentity, externalId: string | null) {
    const name = externalId === null ? `the reference ${identity.reference}` : `its id there, ${externalId}`
    super(
      `${describe(identity)} happened long ago, and the retention has let its receipt go. Nothing was sent for this ` +
        `call. What the service knows of it can be asked for by ${name}.`,
    )
    this.identity = identity
    this.externalId = externalId
  }
}

/** It was not undone, and stands as it did. `reason` says why: nothing to undo, too much asked, or the service refused. */
export class CompensationRefused extends CounterfoilError {
  readonly code = 'compensation_refused'
  readonly identity: Pick<EffectIdentity, 'effect' | 'key'>
  readonly reason: Reason
  constructor(identity: Pick<EffectIdentity, 'effect' | 'key'>, reason: Reason, options?: ErrorOptions) {
    super(
      `${identity.effect} ${JSON.stringify(identity.key)} was not undone: ${reason.message} (${reason.code}).`,
      options,
    )
    this.identity = identity
    this.reason = reason
  }
}

/**
 * An audit did not come to its end, so it is marked incomplete, and nothing rests on what it did not see. `problem` is
 * stable. Nothing was repaired: `list_failed`, `listed_nothing`, `repeated_page`, `unreadable_operation`. What had been
 * settled or repaired before stands: `stopped` (by its caller), `interrupted` (its process was lost), `incomplete` (why
 * was not noted).
 */
export class AuditIncomplete extends CounterfoilError {
  readonly code = 'audit_incomplete'
  readonly problem: string
  /** `next`: what is true now, and what to do, where `message` does not end with it. */
  constructor(
    problem: string,
    message: string,
    { next = NOTHING_REPAIRED, ...options }: ErrorOptions & { readonly next?: string | null } = {},
  ) {
    super(next === null ? message : `${message} ${next}`, options)
    this.problem = problem
  }
}

const NOTHING_REPAIRED = 'The audit is incomplete: nothing was repaired. Run it again once the cause is mended.'

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

/**
 * A `settled` handler did not end in time. Its transaction was rolled back, so nothing of it was written, nor will be
 * whatever it still does; the outcome stands, and the handler runs again.
 */
export class SettledTimeout extends CounterfoilError {
  readonly code = 'settled_timeout'
  readonly identity: EffectIdentity
  constructor(identity: EffectIdentity, timeoutMs: number) {
    super(
      `The settled handler of ${describe(identity)} did not end within ${timeoutMs} ms and was given up: its transaction is ` +
        'rolled back, and it counts as failed. Give what it waits for a timeout of its own, or raise `settledTimeout`.',
    )
    this.identity = identity
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
        (state === 'failed'
          ? 'Its `settled` handler has to run first, and what a person has decided without proof is final. Nothing was sent.'
          : 'A new generation begins only after the last one is known not to have taken effect. Nothing was sent.'),
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
  /** Whether what was to be written was refused for what it holds: the same is refused at any time. */
  readonly refused: boolean
  constructor(
    message: string,
    options: ErrorOptions & { readonly transient?: boolean; readonly refused?: boolean } = {},
  ) {
    super(message, options)
    this.refused = options.refused ?? false
    this.transient = options.transient ?? !this.refused
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
