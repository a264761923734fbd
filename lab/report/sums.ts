import type { Result } from '../result.js'
import type { Counts } from '../verdict.js'

/** A count over all cells that were run. */
export function sum(results: readonly Result[], what: keyof Counts): number {
  return results.reduce((total, { observed }) => total + (observed?.[what] ?? 0), 0)
}
