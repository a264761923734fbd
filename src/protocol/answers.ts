import { storableText, toJsonLossy } from './json.js'
import type { JsonValue } from './json-value.js'
import type { Outcome, Reason } from './outcome.js'

/** What a provider's code throws to say what it knows. Anything else that it throws is classified, at worst as unknown. */
abstract class Answer extends Error {
  readonly reason: Reason
  constructor(reason: Reason, options?: ErrorOptions) {
    super(reason.message, options)
    this.name = new.target.name
    this.reason = reason
  }
}

export interface RejectedOptions extends ErrorOptions {
  readonly detail?: JsonValue
  /**
   * The service says it of our *reference* (for example an answer stored under our key), so that it also ends a doubt
   * about earlier calls. Default false: it speaks of this one call.
   */
  readonly settlesDoubt?: boolean
}

/** Throw it when the service refused for good: known not executed, final (a decline, a validation error). */
export class Rejected extends Answer {
  readonly settlesDoubt: boolean
  constructor(code: string, message: string, options: RejectedOptions = {}) {
    super(reasonOf(code, message, options.detail), causeOf(options))
    this.settlesDoubt = options.settlesDoubt ?? false
  }
}

export interface NotExecutedOptions extends ErrorOptions {
  readonly detail?: JsonValue
  /** The service asked not to be called sooner (Retry-After). */
  readonly retryAfterMs?: number
  /**
   * No connection to the service stood: it may be down. Dispatchers then leave it alone for a while, and the call does
   * not count as an attempt. Default: whether `cause` says so.
   */
  readonly unreachable?: boolean
  /**
   * The service says it to everybody for a while (429, 503, maintenance): the call does not count as an attempt, and
   * dispatchers leave the service alone if it says so again and again. Default: whether there is a `retryAfterMs`.
   */
  readonly notNow?: boolean
}

/** Throw it when it surely did not happen and may be tried again (connection refused, rate limited). */
export class NotExecuted extends Answer {
  readonly retryAfterMs: number | null
  /** What its thrower said of whether the service could be reached; null: nothing. */
  readonly unreachable: boolean | null
  readonly notNow: boolean
  constructor(code: string, message: string, options: NotExecutedOptions = {}) {
    super(reasonOf(code, message, options.detail), causeOf(options))
    this.retryAfterMs = sensible(options.retryAfterMs)
    this.unreachable = options.unreachable ?? null
    this.notNow = options.notNow ?? this.retryAfterMs !== null
  }
}

export interface OutcomeUnknownOptions extends ErrorOptions {
  readonly detail?: JsonValue
  /** Asking again with the same key would only repeat this non-answer (a stored 500). Default false. */
  readonly keySpent?: boolean
  /** The service asked not to be called sooner (Retry-After). */
  readonly retryAfterMs?: number
  /**
   * It is this call's own matter (another with its key is under way), and no sign that the service is ill. Default
   * false: many such answers in a row count as an outage, in which dispatchers leave the service alone.
   */
  readonly serviceWell?: boolean
}

/** Throw it when it may or may not have happened. This is also what any unrecognised error means. */
export class OutcomeUnknown extends Answer {
  readonly keySpent: boolean
  readonly retryAfterMs: number | null
  readonly serviceWell: boolean
  constructor(code: string, message: string, options: OutcomeUnknownOptions = {}) {
    super(reasonOf(code, message, options.detail), causeOf(options))
    this.keySpent = options.keySpent ?? false
    this.retryAfterMs = sensible(options.retryAfterMs)
    this.serviceWell = options.serviceWell ?? false
  }
}

/** The reason that a thrown answer carries; undefined for any other error. */
export function reasonOfAnswer(error: unknown): Reason | undefined {
  return error instanceof Answer ? error.reason : undefined
}

/** The outcome that a thrown answer stands for; undefined for any other error. */
export function outcomeOfAnswer(error: unknown): Exclude<Outcome, { kind: 'executed' }> | undefined {
  if (error instanceof Rejected) return { kind: 'rejected', reason: error.reason, settlesDoubt: error.settlesDoubt }
  if (error instanceof NotExecuted) {
    const { reason, retryAfterMs, notNow } = error
    return { kind: 'not_executed', reason, retryAfterMs, notNow }
  }
  if (error instanceof OutcomeUnknown) {
    const { reason, keySpent, retryAfterMs, serviceWell } = error
    return { kind: 'unknown', reason, keySpent, retryAfterMs, serviceWell }
  }
  return undefined
}

// Services send all sorts of Retry-After; a nonsensical one must not reach the journal.
function sensible(retryAfterMs: number | undefined): number | null {
  return retryAfterMs !== undefined && Number.isFinite(retryAfterMs) && retryAfterMs >= 0 ? retryAfterMs : null
}

// What a service wrote may hold anything; a reason that cannot be stored would cost us what it says.
function reasonOf(code: string, message: string, detail: JsonValue | undefined): Reason {
  const reason = { code: storableText(String(code)), message: storableText(String(message)) }
  return detail === undefined ? reason : { ...reason, detail: toJsonLossy(detail) }
}

function causeOf(options: ErrorOptions): ErrorOptions {
  return options.cause === undefined ? {} : { cause: options.cause }
}
