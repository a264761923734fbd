import type { Clock } from './clock.js'

/** How work in steps goes on. */
export interface StepsPorts {
  readonly clock: Clock
  /** Ends it between two steps, and in a rest. */
  readonly signal?: AbortSignal | undefined
  /** How many times as long as a step took to rest after it. Default 1: half of one connection is all that it ever has. */
  readonly rests?: number
}

/**
 * Does a long work in small steps, with a rest after each that follows from how long the step took: where the database
 * is slow or busy, the work takes back by itself. `step` does one, and says whether anything is left.
 *
 * @throws what `step` throws. What was done before stays done.
 */
export async function inSteps(step: () => Promise<boolean>, { clock, signal, rests = 1 }: StepsPorts): Promise<void> {
  while (signal?.aborted !== true) {
    const beganAtMs = clock.monotonicMs()
    if (!(await step())) return
    await clock.sleep(rests * (clock.monotonicMs() - beganAtMs), signal)
  }
}
