import type { Randomness } from '../system/index.js'

/**
 * Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): anywhere between 0 and
 * min(longest, first × 2^(tries − 1)). Retries of many workers spread instead of coming in waves.
 */
export function backoffMs(
  randomness: Randomness,
  tries: number,
  delay: { readonly retryFirstMs: number; readonly retryLongestMs: number },
): number {
  const ceiling = Math.min(delay.retryLongestMs, delay.retryFirstMs * 2 ** Math.min(tries - 1, 52))
  return Math.ceil(randomness.next() * ceiling)
}
