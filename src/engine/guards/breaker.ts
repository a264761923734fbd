import type { Randomness } from '../../system/index.js'
import { backoffMs } from '../backoff.js'

/** Failures to connect in a row after which a service counts as down. */
const FAILURES_TO_OPEN = 5

/** How long to leave a service alone that is down: jittered, doubling with every probe that fails. */
const OPEN = { retryFirstMs: 2_000, retryLongestMs: 60_000 }
const SHORTEST_OPEN_MS = 250

/** How many calls go through after the first one that did: doubling, so that a service which comes back is not run over. */
const FIRST_ADMITTED = 2
/** From this many on, the breaker is out of the way. */
const ENOUGH_ADMITTED = 32

type State =
  | { readonly is: 'closed' }
  /** Nothing goes through until `untilMs`; then one call does, as a probe. */
  | { readonly is: 'open'; readonly untilMs: number; readonly times: number }
  /** `admitted` calls at a time, and more with every one that reaches the service. */
  | { readonly is: 'recovering'; readonly admitted: number; readonly times: number }

/**
 * A circuit breaker: while a service cannot be reached, it is left alone, but for a probe now and then; when a probe
 * gets through, more and more calls follow.
 *
 * By hand, because it has to run on the engine's own clock and randomness (a simulator's, too) and to say *before* a
 * lease is taken how many calls may be made. cockatiel, the well-kept library, reads `Date.now()`, and judges a call
 * that is under way already.
 */
export class Breaker {
  readonly #randomness: Randomness
  #state: State = { is: 'closed' }
  #failures = 0
  #underWay = 0

  constructor(randomness: Randomness) {
    this.#randomness = randomness
  }

  /** Failures to connect since the last call that reached the service. */
  get failuresInARow(): number {
    return this.#failures
  }

  /** How many calls more may begin now; Infinity where it is not in the way. */
  free(nowMs: number): number {
    switch (this.#state.is) {
      case 'closed':
        return Number.POSITIVE_INFINITY
      case 'open':
        return nowMs >= this.#state.untilMs ? Math.max(0, 1 - this.#underWay) : 0
      case 'recovering':
        return Math.max(0, this.#state.admitted - this.#underWay)
    }
  }

  /** How long until a call may begin, as far as time alone decides. */
  waitMs(nowMs: number): number {
    return this.#state.is === 'open' ? Math.max(0, this.#state.untilMs - nowMs) : 0
  }

  begin(): void {
    this.#underWay++
  }

  /** A call that had begun is over. `reached`: null where it says nothing about that. */
  end(reached: boolean | null, nowMs: number): void {
    this.#underWay = Math.max(0, this.#underWay - 1)
    if (reached === true) this.#noteReached()
    if (reached === false) this.#noteFailure(nowMs)
  }

  #noteReached(): void {
    this.#failures = 0
    const state = this.#state
    if (state.is === 'open') this.#state = { is: 'recovering', admitted: FIRST_ADMITTED, times: state.times }
    if (state.is === 'recovering') {
      const admitted = state.admitted + 1
      this.#state = admitted >= ENOUGH_ADMITTED ? { is: 'closed' } : { ...state, admitted }
    }
  }

  #noteFailure(nowMs: number): void {
    this.#failures++
    const state = this.#state
    if (state.is === 'closed' && this.#failures < FAILURES_TO_OPEN) return
    // Calls that were under way when it opened say nothing new.
    if (state.is === 'open' && nowMs < state.untilMs) return
    const times = state.is === 'closed' ? 1 : state.times + 1
    const delayMs = Math.max(SHORTEST_OPEN_MS, backoffMs(this.#randomness, times, OPEN))
    this.#state = { is: 'open', untilMs: nowMs + delayMs, times }
  }
}
