import { ConfigurationError, type Duration, type RetentionTerms, toMs } from '../protocol/index.js'

/** When entries that have come to their end are let go, in part and whole. Both default to never. */
export interface RetentionOptions {
  /**
   * How long after its last change an entry becomes compact: `input` and `receipt` are let go, for good. That it happened,
   * under which external id, or why it was rejected, stays known for as long as before, so that a duplicate is still no
   * second call; instead of the receipt it gets `EffectCompacted`. What it moved is no longer known: it cannot be
   * compensated from here any more, and audits compare no amount. Default: never.
   *
   * Make it longer than the time in which duplicates want a receipt, and in which one still refunds, or audits amounts.
   * Set it once every process that shares the journal runs a version that knows it: an older one answers a duplicate
   * with null for a receipt.
   */
  readonly compactAfter?: Duration
  /**
   * How long after its last change an entry is deleted. **That ends the promise for its key**: a duplicate that comes
   * later is a new effect, and calls again. Default: never.
   *
   * Make it longer than anything can be delivered or replayed after: a queue that was forgotten, a dead-letter queue that
   * somebody empties, a job that runs from a backup, a customer who presses the button again. Compact entries are small,
   * and cost an effect nothing, however many there are: do not set it for the sake of speed.
   */
  readonly purgeAfter?: Duration
}

/** What a process lets age, and how often it looks. */
export interface Retention extends RetentionTerms {
  /** From the end of one walk to the beginning of the next, at most. */
  readonly everyMs: number
}

const LONGEST_MS = 36_500 * 86_400_000

/** An entry is this much of its age late at most... */
const WALKS_PER_AGE = 10

/** ...but a walk reads the whole journal. */
const SHORTEST_INTERVAL_MS = 60_000
const LONGEST_INTERVAL_MS = 86_400_000

/** What is to age of these effects; null: everything is kept for ever. @throws {ConfigurationError} when the options make no sense. */
export function retentionOf(
  { compactAfter, purgeAfter }: RetentionOptions,
  of: { readonly namespace: string; readonly effects: readonly string[] },
): Retention | null {
  const compactAfterMs = ageMs(compactAfter, 'retention.compactAfter')
  const purgeAfterMs = ageMs(purgeAfter, 'retention.purgeAfter')
  if (compactAfterMs !== null && purgeAfterMs !== null && purgeAfterMs < compactAfterMs) {
    throw new ConfigurationError(
      `retention.purgeAfter (${purgeAfter}) is shorter than retention.compactAfter (${compactAfter}): nothing would ever become compact.`,
    )
  }
  const shortestMs = compactAfterMs ?? purgeAfterMs
  if (shortestMs === null) return null
  const everyMs = Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, shortestMs / WALKS_PER_AGE))
  return { ...of, compactAfterMs, purgeAfterMs, everyMs }
}

function ageMs(age: Duration | undefined, option: string): number | null {
  if (age === undefined) return null
  const ms = toMs(age, option)
  if (ms > 0 && ms <= LONGEST_MS) return ms
  throw new ConfigurationError(
    `${option} is ${age}: it must be above 0, and 100 years at most. Leave it out for never.`,
  )
}
