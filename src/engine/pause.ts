import type { Clock, Randomness } from '../system/index.js'
import { backoffMs } from './backoff.js'

/**
 * Holds something back after it failed, ever longer while it goes on failing. What fails together counts as one failure,
 * however many it is.
 */
export class Pause {
  readonly #clock: Clock
  readonly #randomness: Randomness
  readonly #delay: Parameters<typeof backoffMs>[2]
  #failures = 0
  #untilMs = Number.NEGATIVE_INFINITY

  constructor(
    ports: { readonly clock: Clock; readonly randomness: Randomness },
    delay: Parameters<typeof backoffMs>[2],
  ) {
    this.#clock = ports.clock
    this.#randomness = ports.randomness
    this.#delay = delay
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#untilMs
  }

  noteFailure(): void {
    if (!this.isOver) return
    this.#failures++
    this.#untilMs = this.#clock.monotonicMs() + backoffMs(this.#randomness, this.#failures, this.#delay)
  }

  noteSuccess(): void {
    this.#failures = 0
  }
}
