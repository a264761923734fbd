import type { Capabilities, Limits } from './capabilities.js'
import { type Duration, toMs } from './duration.js'
import type { JournalTime } from './entry.js'
import { ConfigurationError } from './errors.js'
import type { Money } from './money.js'
import type { Outcome } from './outcome.js'

/** One call to the service, as the provider's code sees it. */
export interface Call {
  /** Send it as the idempotency key, and store it at the service as our reference. At most 36 of [A-Za-z0-9_-]. */
  readonly reference: string
  readonly key: string
  readonly generation: number
  /** 1 for the first call of this generation. */
  readonly attempt: number
  /** Which namespace and effect the call is for: useful as metadata for audits. */
  readonly namespace: string
  readonly effect: string
  /** When the first call was sent that may have left a trace, by the journal's clock: where a `find` has to start looking. */
  readonly firstSentAtMs: JournalTime | null
  /** The last moment at which such a call may still have been under way, by the journal's clock: where a `find` may stop. */
  readonly lastDeadlineAtMs: JournalTime | null
  /**
   * Aborts at the deadline. Nothing may be sent after it: take it from the call right before you send, and pass it to
   * whatever sends. Reading it also looks at the clock, so that a process that was stopped past its deadline and woken finds
   * it aborted before any timer has fired.
   */
  readonly signal: AbortSignal
  /** Milliseconds to the deadline, on the monotonic clock; 0 once it has passed. */
  remainingMs(): number
}

/** Which of the service's operations to list: those created in [fromMs, toMs). */
export interface ListWindow {
  readonly fromMs: number
  readonly toMs: number
  readonly signal: AbortSignal
  /** Go on behind the operation that had this cursor; absent: from the beginning. Only given to a `list` that gave it. */
  readonly after?: string
}

/** An operation as the service's own list shows it, for audits. */
export interface ExternalOperation {
  readonly externalId: string
  /** Our reference, where the service gives it back; null for an operation without one. */
  readonly reference: string | null
  /** The business key, where the service stores it. */
  readonly key: string | null
  readonly createdAtMs: number
  /** `live`: it stands. `undone`: voided or refunded in full. `pending`: may still become either. */
  readonly state: 'live' | 'undone' | 'pending'
  readonly amount: { readonly minorUnits: number; readonly currency: string; readonly undoneMinorUnits: number } | null
  /**
   * Where a list that is begun anew can go on behind this operation (`ListWindow.after`), so that an audit that was
   * interrupted need not read all pages again. The last operation of a page having one is enough. Leave it out where the
   * service has no such place.
   */
  readonly cursor?: string
}

/** What a compensation is asked to undo. */
export interface CancelRequest<Receipt> {
  readonly externalId: string
  /** What the service returned when it was executed; null for an operation that no entry stands for (an audit's find). */
  readonly receipt: Receipt | null
  /** How much of it, in the smallest unit of its currency; null: all that is left of it. */
  readonly minorUnits: number | null
  readonly reason: string
}

/** Undoes one operation, and says nothing of a way out of doubt: an undoing in doubt is parked for a person. */
export type CancelFunction<Receipt> = Undoes<Receipt>['cancel']

// Methods, not function types: a provider whose receipt is richer than what an effect asks for still fits it.
interface Undoes<Receipt> {
  cancel(request: CancelRequest<Receipt>, call: Call): Promise<unknown>
}

interface CanFindUndoing<Receipt> extends Omit<CanFind<CancelRequest<Receipt>, unknown>, 'find'> {
  /** What undid it, by our reference (among the refunds, say). Null: absent. Throwing: could not ask (P5). */
  find(request: CancelRequest<Receipt>, call: Call): Promise<unknown>
}

/**
 * How to undo (void, refund, cancel) as a service of its own, with its own way out of doubt: a key window for the
 * undoing request, or a `find` that looks for our reference among the refunds.
 */
export type UndoProvider<Receipt> = Pick<
  ProviderBase<CancelRequest<Receipt>, unknown>,
  'execute' | 'classify' | 'externalId'
> &
  (HonoursKey | CanFindUndoing<Receipt> | ParksDoubt)

/** At most `calls` calls begin in any stretch of time as long as `per`. */
export interface RateLimit {
  readonly calls: number
  readonly per: Duration
}

interface ProviderBase<Input, Receipt> {
  /** The service's name: shown to people, and shared by the effects that share its limits. Default: the effect's name. */
  readonly service?: string
  /**
   * How often one process may call the service: dispatchers keep to it, over all effects of the service. `perform` waits
   * for nobody, but its calls are counted. Default: as often as there is work. Divide the service's own limit by the
   * number of your processes.
   */
  readonly rateLimit?: RateLimit
  /**
   * Makes the one call. It returns the receipt if the service did it, and throws otherwise: `Rejected`, `NotExecuted`,
   * `OutcomeUnknown`, or any error, which `classify` or the default classification judges. It must send at most one
   * request, with `call.reference`, and nothing after `call.signal` has aborted: no retry of the SDK's own and no
   * redirect that is followed, since the error of a second request says nothing about the first.
   */
  execute(input: Input, call: Call): Promise<Receipt>
  /** What an error of `execute` proves; undefined leaves it to the default, under which only a failure to connect is harmless. */
  classify?(error: unknown): Exclude<Outcome, { kind: 'executed' }> | undefined
  /** The service's own id of what it did. Default: `receipt.id` if it is a string. */
  externalId?(receipt: Receipt): string | null
  /**
   * Undoes an executed operation. `call.reference` is keyed by the external id (P10): send it as the idempotency key and
   * store it with the refund. A function alone has no way out of doubt; a provider of its own (a key window, a `find`)
   * lets a lost response to a refund be resolved as any other.
   */
  readonly cancel?: CancelFunction<Receipt> | UndoProvider<Receipt>
  /** How much an executed operation moved: what bounds its refunds, and what audits compare. Null: it moved no money. */
  amount?(receipt: Receipt, input: Input): Money | null
  /** The service's own operations in the window, for audits, in the service's order. */
  list?(window: ListWindow): AsyncIterable<ExternalOperation>
}

/**
 * How long the service surely honours an idempotency key. `margin` is kept back from the window (default: a tenth of
 * it, at most an hour).
 *
 * It is believed of every entry, also of those in doubt already: promise a key, or a longer window, only after the calls
 * that were sent without it have come to rest.
 */
export interface IdempotencyKeyPromise {
  readonly window: Duration
  readonly margin?: Duration
}

/** Asks the service for our reference. Null: absent. Throwing: could not ask (P5), except `Rejected`: refused for good. */
export type Find<Input, Receipt> = (input: Input, call: Call) => Promise<Receipt | null>

/** The service honours our key: asking again inside its window is safe. */
export interface HonoursKey {
  readonly idempotencyKey: IdempotencyKeyPromise
  readonly find?: undefined
  readonly settlesWithin?: undefined
  readonly inDoubt?: undefined
}

/** The service can be asked for our reference (and may honour our key besides). */
export interface CanFind<Input, Receipt> {
  readonly find: Find<Input, Receipt>
  /**
   * The longest time after the end of a call until `find` surely shows what it did. It includes what the network may
   * still deliver of a call that was given up.
   */
  readonly settlesWithin: Duration
  readonly idempotencyKey?: IdempotencyKeyPromise
  readonly inDoubt?: undefined
}

/** The service can do neither: what is in doubt is parked for a person or an audit. */
export interface ParksDoubt {
  readonly inDoubt: 'park'
  readonly idempotencyKey?: undefined
  readonly find?: undefined
  readonly settlesWithin?: undefined
}

/**
 * The description of a service: how to execute, and what it is capable of. The type demands a way out of doubt: a key
 * window, a `find` with its lag, or an explicit `inDoubt: 'park'`.
 */
export type Provider<Input, Receipt> = ProviderBase<Input, Receipt> & WayOutOfDoubt<Input, Receipt>

/** One of the three ways in which a doubt about a call may end. */
export type WayOutOfDoubt<Input, Receipt> = HonoursKey | CanFind<Input, Receipt> | ParksDoubt

const MAX_MARGIN_MS = 3_600_000

/**
 * A provider's promises as data for `decide`.
 *
 * @throws {ConfigurationError} when they make no sense: no way out of doubt, or a key window that no call fits into.
 */
export function capabilitiesOf<Input, Receipt>(
  provider: Provider<Input, Receipt>,
  limits: Limits,
  effect: string,
): Capabilities {
  const key = provider.idempotencyKey === undefined ? null : keyWindow(provider.idempotencyKey, limits, effect)
  if (provider.find !== undefined) {
    const find = { settlesWithinMs: toMs(provider.settlesWithin, `${effect}: settlesWithin`) }
    return key === null ? { doubt: 'find', find, limits } : { doubt: 'key_and_find', key, find, limits }
  }
  if (key !== null) return { doubt: 'key', key, limits }
  if (provider.inDoubt === 'park') return { doubt: 'park', limits }
  throw new ConfigurationError(
    `${effect}: the provider has no way out of doubt. Give an idempotencyKey window, a find with settlesWithin, or inDoubt: 'park'.`,
  )
}

function keyWindow(promise: IdempotencyKeyPromise, limits: Limits, effect: string) {
  const windowMs = toMs(promise.window, `${effect}: idempotencyKey.window`)
  const marginMs =
    promise.margin === undefined
      ? Math.min(windowMs / 10, MAX_MARGIN_MS)
      : toMs(promise.margin, `${effect}: idempotencyKey.margin`)
  if (limits.timeoutMs >= windowMs - marginMs) {
    throw new ConfigurationError(
      `${effect}: a call may take ${limits.timeoutMs} ms, but the key is safe for ${windowMs - marginMs} ms only: no repeated call would fit.`,
    )
  }
  return { windowMs, marginMs }
}
