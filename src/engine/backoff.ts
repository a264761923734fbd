import type { Randomness } from '../system/index.js'

/** Delays between tries. */
interface Delay {
  readonly retryFirstMs: number
  readonly retryLongestMs: number
}

/**
 * Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): anywhere between 0 and
 * min(longest, first × 2^(tries − 1)). Retries of many workers spread instead of coming in waves.
 */
export function backoffMs(randomness: Randomness, tries: number, delay: Delay): number {
  return Math.ceil(randomness.next() * ceilingMs(tries, delay))
}

/**
 * How long to wait for the next look-up after `failures` that could not ask, of which so many may park the entry: jitter
 * in the upper half only, so that their number is a promise about time.
 */
export function lookUpDelayMs(
  randomness: Randomness,
  failures: number,
  { findFirstMs, findLongestMs }: { readonly findFirstMs: number; readonly findLongestMs: number },
): number {
  const ceiling = ceilingMs(failures, { retryFirstMs: findFirstMs, retryLongestMs: findLongestMs })
  return Math.ceil((0.5 + randomness.next() / 2) * ceiling)
}

function ceilingMs(tries: number, { retryFirstMs, retryLongestMs }: Delay): number {
  return Math.min(retryLongestMs, retryFirstMs * 2 ** Math.min(tries - 1, 52))
}
