import { ConfigurationError, currencyCode, type Duration, minorUnitsProblem, toMs } from '../protocol/index.js'

/**
 * Up to where an audit may repair by itself. If what it would undo exceeds any of these, it undoes nothing at all and
 * asks: more than a few duplicates is no accident of the service but a bug, perhaps of the audit's own.
 */
export interface AutoPolicy {
  /** How many operations at most. */
  readonly maxCount: number
  /** How large a share of the operations that were listed as ours, 0 to 1. */
  readonly maxShare: number
  /** How much at most, in the smallest unit, by currency. What is in another currency is asked about. */
  readonly maxAmount: Readonly<Record<string, number>>
}

/**
 * What an audit does about what it finds. `dry-run`: nothing; it only keeps findings. `ask`: it settles what is in doubt
 * by evidence, and undoes what a person has approved. A policy: besides, it undoes duplicates by itself, up to its caps.
 */
export type Repair = 'dry-run' | 'ask' | { readonly auto: AutoPolicy }

/** What to audit, and how. */
export interface ReconcileOptions {
  /** Operations created from this moment, by the service's clock. Either this or `since`. */
  readonly from?: Date
  /** Operations created before this moment. Default: now. */
  readonly to?: Date
  /** Operations created within this time before the end. Default `'24h'`. */
  readonly since?: Duration
  /** Default `'dry-run'`. */
  readonly repair?: Repair
  /**
   * The longest time from the end of a call until the list surely shows what it did; what is younger is looked at in the
   * next audit. Default: the provider's own `settlesWithin`, else 15 minutes.
   */
  readonly settlesWithin?: Duration
  /** How far the service's clock and the journal's may be apart. Default 5 minutes. */
  readonly clockSkew?: Duration
  /**
   * What becomes of an entry in doubt of which the list, though it must show it, has nothing: `leave` it, or let it be
   * tried again (`retry`; not in a dry run). Only for a service whose list shows every operation with its reference.
   * Default `leave`.
   */
  readonly absent?: 'leave' | 'retry'
  /** Stops the audit; it is then incomplete. */
  readonly signal?: AbortSignal
}

/** Options, checked. */
export interface AuditTerms {
  readonly fromMs: number | null
  readonly toMs: number | null
  readonly sinceMs: number | null
  readonly repair: Repair
  readonly settlesWithinMs: number
  readonly skewMs: number
  readonly releases: boolean
  /** What was asked for, as text. */
  readonly request: string
}

/** @throws {ConfigurationError} when they make no sense. */
export function auditTerms(options: ReconcileOptions, settlesWithin: Duration | undefined): AuditTerms {
  const { from, to, since, repair = 'dry-run', absent = 'leave' } = options
  if (from !== undefined && since !== undefined)
    throw new ConfigurationError('Give either `from` or `since`, not both.')
  const [fromMs, toMs_] = [timeOf(from, 'from'), timeOf(to, 'to')]
  if (fromMs !== null && toMs_ !== null && fromMs >= toMs_) throw new ConfigurationError('`from` is not before `to`.')
  const sinceMs = fromMs === null ? toMs(since ?? '24h', 'since') : null
  if (sinceMs === 0) throw new ConfigurationError('`since` is 0: there is nothing to look at.')
  if (typeof repair === 'object') checkPolicy(repair.auto)
  else if (repair !== 'dry-run' && repair !== 'ask') throw new ConfigurationError(`repair is ${String(repair)}.`)
  const settlesWithinMs = toMs(options.settlesWithin ?? settlesWithin ?? '15m', 'settlesWithin')
  const skewMs = toMs(options.clockSkew ?? '5m', 'clockSkew')
  const releases = absent === 'retry'
  const request = JSON.stringify({ fromMs, toMs: toMs_, sinceMs, repair, settlesWithinMs, skewMs, releases })
  return { fromMs, toMs: toMs_, sinceMs, repair, settlesWithinMs, skewMs, releases, request }
}

function timeOf(date: Date | undefined, name: string): number | null {
  if (date === undefined) return null
  const ms = date.getTime()
  if (!Number.isFinite(ms)) throw new ConfigurationError(`\`${name}\` is no valid date.`)
  return ms
}

function checkPolicy({ maxCount, maxShare, maxAmount }: AutoPolicy): void {
  if (!Number.isInteger(maxCount) || maxCount < 0) {
    throw new ConfigurationError(`maxCount is ${maxCount}: give a whole number from 0.`)
  }
  if (!(maxShare >= 0 && maxShare <= 1))
    throw new ConfigurationError(`maxShare is ${maxShare}: give a number from 0 to 1.`)
  for (const [currency, minorUnits] of Object.entries(maxAmount)) {
    const problem = minorUnitsProblem(minorUnits)
    if (problem !== null) throw new ConfigurationError(`maxAmount.${currency} ${problem}.`)
  }
}

/** The cap of a currency, however it is written; null where there is none. */
export function capOf(policy: AutoPolicy, currency: string): number | null {
  const found = Object.entries(policy.maxAmount).find(([name]) => currencyCode(name) === currencyCode(currency))
  return found?.[1] ?? null
}
