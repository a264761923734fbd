import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Outcome } from '../protocol/index.js'
import {
  type Capabilities,
  ConfigurationError,
  capabilitiesOf,
  type Duration,
  type Provider,
  toMs,
} from '../protocol/index.js'

/**
 * What a `settled` handler learns: the effect took place, or it is known that it did not. `forcedBy` is there only where
 * that is a person's word without proof: who, and why.
 */
export type SettledOutcome<Receipt> = (
  | { readonly kind: 'succeeded'; readonly receipt: Receipt; readonly externalId: string | null }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
) & { readonly forcedBy?: string }

/** How an effect waits between tries: full jitter below `first`, doubling up to `longest`. */
export interface RetryDelay {
  readonly first: Duration
  readonly longest: Duration
}

/**
 * What a user says of one kind of effect. `Input` is what `execute` sees, `Raw` what callers pass: they differ only
 * where an input schema transforms.
 */
export interface EffectDefinition<Input, Receipt, Tx, Raw> {
  /** Identifies the effect in the journal for ever: renaming it begins a new one. At most 128 characters. */
  readonly name: string
  /** What must happen once: an order id, never a request or message id. 1 to 512 characters. */
  readonly key: (input: Input) => string
  readonly provider: Provider<Input, Receipt>
  /** Validates what callers pass, and stored inputs when they are read again (any Standard Schema library). */
  readonly input?: StandardSchemaV1<Raw, Input>
  /** Validates what the service returned, whenever it is handed out. It never undoes an outcome (P8). */
  readonly receipt?: StandardSchemaV1<unknown, Receipt>
  /** The part of the input that must be the same in duplicates (P7). Default: all of it. */
  readonly fingerprint?: (input: Input) => unknown
  /** Effects with the same value run one at a time, in the order of their enqueueing: docs/serialize.md says who waits for whom. */
  readonly serializeBy?: (input: Input) => string
  /** The business operation that the effect is part of, for compensating it as a whole. */
  readonly group?: (input: Input) => string
  /**
   * Your consequence of the outcome, in a transaction of the journal's database, exactly once there. However it fails,
   * the outcome stands; it is retried, and after `settledAttempts` put aside as dead for a person to see (P8). Whether
   * there is one is written when the effect is begun: see docs/settled.md before you bring one out or take one away.
   */
  readonly settled?: (tx: Tx, input: Input, outcome: SettledOutcome<Receipt>) => Promise<void> | void

  /** The longest that one call may take. Default 30 s. */
  readonly timeout?: Duration
  /** Kept back after a call for writing down what came of it: the lease lasts `timeout` + this. Default 10 s; raise it if your database stalls for longer. */
  readonly leaseGrace?: Duration
  /**
   * Calls in one generation before it is parked, once `patience` is over too. Calls that say nothing of this entry do not
   * count: the service was not reached, told everybody to wait, or is known to be ill. Default 10.
   */
  readonly maxAttempts?: number
  /**
   * For at least this long after its first call it is tried again, however many calls that takes: an outage shall park
   * nothing merely because the delays are short. Default 1 h. 0: `maxAttempts` alone decides.
   */
  readonly patience?: Duration
  /** Entries of this effect that `start()`'s loop carries at the same time in one process. Default: as many as it carries at all. */
  readonly concurrency?: number
  /**
   * Look-ups in a row that could not ask before it is parked; in an outage that is known they do not count. Default 64:
   * with the default delays more than a day, and two days at most.
   */
  readonly maxFindFailures?: number
  /** Between calls. Default: 250 ms, doubling up to 1 min. */
  readonly retryDelay?: RetryDelay
  /** Between look-ups that could not ask, never less than half of it. Default: from `retryDelay.first`, doubling up to 1 h. */
  readonly findDelay?: Partial<RetryDelay>
  /** Tries of the `settled` handler before it is dead. Default 20. */
  readonly settledAttempts?: number
}

/** The engine's view of an effect, where the user's types are no longer known. */
export interface RuntimeEffect<Tx> {
  readonly name: string
  readonly key: (input: unknown) => string
  readonly provider: Provider<unknown, unknown>
  readonly input: StandardSchemaV1 | undefined
  readonly receipt: StandardSchemaV1 | undefined
  readonly fingerprint: ((input: unknown) => unknown) | undefined
  readonly serializeBy: ((input: unknown) => string) | undefined
  readonly group: ((input: unknown) => string) | undefined
  readonly settled: ((tx: Tx, input: unknown, outcome: SettledOutcome<unknown>) => Promise<void> | void) | undefined
  readonly capabilities: Capabilities
  readonly leaseMs: number
  readonly retryFirstMs: number
  readonly retryLongestMs: number
  readonly findFirstMs: number
  readonly findLongestMs: number
  readonly settledAttempts: number
  /** Infinity: no bound of its own. */
  readonly concurrency: number
}

/** A defined effect: pass it to `new Counterfoil` and to `perform`. Make it with {@link defineEffect}. */
export interface Effect<Raw, Receipt, Tx = unknown> extends RuntimeEffect<Tx> {
  /** Carries types only; it does not exist at run time. */
  readonly '~types'?: { readonly raw: Raw; readonly receipt: Receipt }
}

/** The end of the names of effects that undo another effect's operations. */
export const UNDO_SUFFIX = '/undo'

/**
 * Defines an effect. Nothing is sent or written; the definition is checked.
 *
 * @throws {ConfigurationError} when it makes no sense, for example a provider without a way out of doubt.
 */
export function defineEffect<Input, Receipt, Tx = unknown, Raw = Input>(
  definition: EffectDefinition<Input, Receipt, Tx, Raw>,
): Effect<Raw, Receipt, Tx> {
  if (typeof definition.name === 'string' && definition.name.endsWith(UNDO_SUFFIX)) {
    const name = JSON.stringify(definition.name)
    throw new ConfigurationError(
      `The effect ${name} has the name of an undoing: names that end in "/undo" are reserved.`,
    )
  }
  return define(definition)
}

/** Like `defineEffect`, also for the engine's own effects, whose names are reserved. */
export function define<Input, Receipt, Tx = unknown, Raw = Input>(
  definition: EffectDefinition<Input, Receipt, Tx, Raw>,
): Effect<Raw, Receipt, Tx> {
  const { name } = definition
  if (typeof name !== 'string' || name.length === 0 || name.length > 128) {
    throw new ConfigurationError('An effect needs a name of 1 to 128 characters: it identifies the effect for ever.')
  }
  const limits = {
    timeoutMs: aboveZero(toMs(definition.timeout ?? '30s', `${name}: timeout`), `${name}: timeout`),
    maxAttempts: aboveZero(definition.maxAttempts ?? 10, `${name}: maxAttempts`),
    patienceMs: toMs(definition.patience ?? '1h', `${name}: patience`),
    maxFindFailures: aboveZero(definition.maxFindFailures ?? 64, `${name}: maxFindFailures`),
  }
  const graceMs = aboveZero(toMs(definition.leaseGrace ?? '10s', `${name}: leaseGrace`), `${name}: leaseGrace`)
  const effect: EffectDefinition<Input, Receipt, Tx, Raw> & Pick<RuntimeEffect<Tx>, NumbersOfEffect> = {
    ...definition,
    capabilities: capabilitiesOf(definition.provider, limits, name),
    leaseMs: limits.timeoutMs + graceMs,
    ...delaysOf(definition, name),
    settledAttempts: aboveZero(definition.settledAttempts ?? 20, `${name}: settledAttempts`),
    concurrency:
      definition.concurrency === undefined
        ? Number.POSITIVE_INFINITY
        : wholeFromOne(definition.concurrency, `${name}: concurrency`),
  }
  // The one place where the user's types are forgotten: inside, an input is what the schema or the caller made of it.
  return Object.freeze(effect) as unknown as Effect<Raw, Receipt, Tx>
}

function delaysOf(
  { retryDelay, findDelay }: { readonly retryDelay?: RetryDelay; readonly findDelay?: Partial<RetryDelay> },
  name: string,
) {
  const first = retryDelay?.first ?? '250ms'
  const firstOf = (delay: Duration, option: string) => aboveZero(toMs(delay, option), option)
  return {
    retryFirstMs: firstOf(first, `${name}: retryDelay.first`),
    retryLongestMs: toMs(retryDelay?.longest ?? '1m', `${name}: retryDelay.longest`),
    findFirstMs: firstOf(findDelay?.first ?? first, `${name}: findDelay.first`),
    findLongestMs: toMs(findDelay?.longest ?? '1h', `${name}: findDelay.longest`),
  }
}

type NumbersOfEffect =
  | 'capabilities'
  | 'concurrency'
  | 'findFirstMs'
  | 'findLongestMs'
  | 'leaseMs'
  | 'retryFirstMs'
  | 'retryLongestMs'
  | 'settledAttempts'

/** @throws {ConfigurationError} naming the option. */
export function wholeFromOne(value: number, option: string): number {
  if (Number.isInteger(value) && value >= 1) return value
  throw new ConfigurationError(`${option} is ${value}: it must be a whole number from 1.`)
}

/** @throws {ConfigurationError} naming the option. */
export function aboveZero(value: number, option: string): number {
  if (!Number.isFinite(value) || value <= 0) throw new ConfigurationError(`${option} is ${value}: it must be above 0.`)
  return value
}

/** The receipt's id at the service, as the provider says or by its `id`. */
export function externalIdOf(provider: Provider<unknown, unknown>, receipt: unknown): string | null {
  // The service has acted: a bug in the user's function must not cost us that knowledge.
  try {
    if (provider.externalId !== undefined) return idOrNull(provider.externalId(receipt))
  } catch {
    return null
  }
  return typeof receipt === 'object' && receipt !== null && 'id' in receipt ? idOrNull(receipt.id) : null
}

/** An SDK's types may promise what its answers do not hold; an empty id would be one that all such operations share. */
function idOrNull(id: unknown): string | null {
  return typeof id === 'string' && id !== '' ? id : null
}

export type FailedOutcome = Exclude<Outcome, { kind: 'executed' }>
