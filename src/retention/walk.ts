import type { Journal, RetentionTerms } from '../protocol/index.js'
import { type Clock, inSteps, type Randomness } from '../system/index.js'

/** How much longer a walk rests after a step than the step took: a fifth of one connection is all that it ever has. */
const RESTS = 4

/** What came of a walk. */
export interface Aged {
  /** How many entries became compact. */
  readonly compacted: number
  /** How many entries were deleted. */
  readonly purged: number
}

/**
 * Walks once around the journal, step by step, from a place drawn by lot. Nothing is lost with a walk that is broken off.
 *
 * @throws {JournalError} when the journal cannot be used. What was done before stays done.
 */
export async function walk<Tx>(
  { retention }: Pick<Journal<Tx>, 'retention'>,
  terms: RetentionTerms,
  { clock, randomness, signal }: { clock: Clock; randomness: Randomness; signal: AbortSignal | undefined },
): Promise<Aged> {
  let [compacted, purged] = [0, 0]
  let place = await retention.begin(randomness.next())
  const toNextPlace = async (): Promise<boolean> => {
    if (place === null) return false
    const step = await retention.step(terms, place)
    compacted += step.compacted
    purged += step.purged
    place = step.next
    return place !== null
  }
  await inSteps(toNextPlace, { clock, signal, rests: RESTS })
  return { compacted, purged }
}
