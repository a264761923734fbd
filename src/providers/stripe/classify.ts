import {
  isConnectionFailure,
  type JsonValue,
  NotExecuted,
  type Outcome,
  OutcomeUnknown,
  outcomeOfAnswer,
  Rejected,
} from '../../protocol/index.js'
import { SendFailed } from './http.js'

/** An error of the SDK, recognised by its fields alone: the process may hold more than one copy of the SDK. */
interface StripeErrorLike extends Error {
  readonly type: string
  readonly rawType?: unknown
  readonly statusCode?: unknown
  readonly code?: unknown
  readonly decline_code?: unknown
  readonly headers?: unknown
  readonly requestId?: unknown
  readonly detail?: unknown
  readonly payment_intent?: unknown
  readonly charge?: unknown
  readonly param?: unknown
}

/**
 * What an error of the SDK proves about the one request that failed with it; undefined for any other error.
 * The table, with sources and reasons, is in docs/providers/stripe.md.
 */
export function classifyStripeError(error: unknown): Exclude<Outcome, { kind: 'executed' }> | undefined {
  return outcomeOfAnswer(answerTo(error))
}

/** The same as an error to throw: what is no error of the SDK comes back as it is. */
export function answerTo(error: unknown): unknown {
  if (error instanceof SendFailed) return afterSendFailed(error, error)
  if (!isStripeError(error)) return error
  if (error.type === 'StripeConnectionError') return afterSendFailed(error, error.detail)
  if (error.type === 'StripeIdempotencyError' || error.rawType === 'idempotency_error') return keyUsedOtherwise(error)
  if (error.type === 'StripeRateLimitError') return rateLimited(error)
  switch (error.statusCode) {
    case 400:
    case 404:
      return refused(error, isReplayed(error))
    case 401:
    case 403:
      // An operator's mistake (a revoked key, a missing right), not the order's fault: a final rejection would fail
      // every order of that hour for good. It is tried again, and parked if nobody mends it.
      return new NotExecuted(codeOf(error), error.message, about(error))
    case 402:
      return refused(error, isReplayed(error) || idOf(error.payment_intent) !== null)
    case 429:
      return rateLimited(error)
    case 409:
      // Another request with our key is under way, or an object is locked: no sign that Stripe is ill.
      return unknown(error, codeOf(error), true)
    default:
      // 5xx, an unreadable body, and whatever Stripe may add: it may have happened. A replayed answer will be the same
      // for ever, and tells nothing of today.
      return unknown(error, codeOf(error), isReplayed(error))
  }
}

function unknown(error: StripeErrorLike, code: string, serviceWell: boolean): OutcomeUnknown {
  const keySpent = isReplayed(error)
  return new OutcomeUnknown(code, error.message, { ...about(error), ...retryAfter(error), keySpent, serviceWell })
}

/** Final. `settlesDoubt` if it is stored under our key, so that it speaks of every call under it. */
function refused(error: StripeErrorLike, settlesDoubt: boolean): Rejected {
  return new Rejected(codeOf(error), error.message, { ...about(error), settlesDoubt })
}

function rateLimited(error: StripeErrorLike): NotExecuted | OutcomeUnknown {
  // Locks are taken while a request executes, so this 429 does not prove as much as the limiter's.
  // https://docs.stripe.com/rate-limits#object-lock-timeouts
  if (error.code === 'lock_timeout') return unknown(error, 'lock_timeout', true)
  return new NotExecuted(codeOf(error), error.message, { ...about(error), ...retryAfter(error), notNow: true })
}

/** When Stripe wants to be asked again, where it says so. */
function retryAfter(error: StripeErrorLike): { readonly retryAfterMs?: number } {
  const seconds = Number(headerOf(error, 'retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}
}

function keyUsedOtherwise(error: StripeErrorLike): OutcomeUnknown {
  return new OutcomeUnknown(
    'idempotency_error',
    'Our key was used before with other parameters: an earlier call exists, and what it did has to be looked up. ' +
      `The parameters of one effect must be the same in every call. Stripe says: ${error.message}`,
    { ...about(error), keySpent: true, serviceWell: true },
  )
}

/** The request did not come to a whole response. */
function afterSendFailed(error: Error, detail: unknown): NotExecuted | OutcomeUnknown {
  const code = codeIn(detail) ?? 'connection_error'
  const message = detail instanceof Error ? `${error.message} ${causeText(detail)}` : error.message
  const unsent = (detail instanceof SendFailed && !detail.written) || isConnectionFailure(detail)
  return unsent
    ? new NotExecuted(code, message, { cause: error, unreachable: isConnectionFailure(detail) })
    : new OutcomeUnknown(code, message, { cause: error })
}

function causeText(detail: Error): string {
  return detail.cause instanceof Error ? detail.cause.message : detail.message
}

function isStripeError(error: unknown): error is StripeErrorLike {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' && 'rawType' in error
}

/** Whether Stripe answered from what it has stored under the key. https://docs.stripe.com/api/idempotent_requests */
function isReplayed(error: StripeErrorLike): boolean {
  return headerOf(error, 'idempotent-replayed') === 'true'
}

function headerOf(error: StripeErrorLike, name: string): string | null {
  const { headers } = error
  const value: unknown = typeof headers === 'object' && headers !== null ? Reflect.get(headers, name) : undefined
  return typeof value === 'string' ? value : null
}

function codeOf(error: StripeErrorLike): string {
  if (typeof error.code === 'string' && error.code !== '') return error.code
  return typeof error.rawType === 'string' ? error.rawType : error.type
}

function codeIn(detail: unknown): string | null {
  if (typeof detail !== 'object' || detail === null) return null
  const code: unknown = Reflect.get(detail, 'code')
  return typeof code === 'string' ? code : null
}

/** What people need to find it at Stripe. */
function about(error: StripeErrorLike): { readonly detail: JsonValue; readonly cause: unknown } {
  const detail = {
    request_id: textOr(error.requestId),
    status: typeof error.statusCode === 'number' ? error.statusCode : null,
    decline_code: textOr(error.decline_code),
    param: textOr(error.param),
    payment_intent: idOf(error.payment_intent),
    charge: textOr(error.charge),
  }
  return { detail: Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== null)), cause: error }
}

function textOr(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function idOf(object: unknown): string | null {
  if (typeof object === 'string') return object
  return typeof object === 'object' && object !== null && 'id' in object ? textOr(object.id) : null
}
