import type { ServiceNews } from '../../protocol/index.js'
import type { Randomness } from '../../system/index.js'
import { backoffMs } from '../backoff.js'

/** So many failures without one call that went well between them, of as many entries, and a service counts as down. */
const FAILURES_TO_OPEN = 5
/** The same while it recovers. Not one: an entry that makes the service fail by itself must not keep the others away. */
const FAILURES_TO_OPEN_AGAIN = 2

/** How long to leave a service alone that is down: jittered, doubling with every probe that fails. */
const OPEN = { retryFirstMs: 2_000, retryLongestMs: 60_000 }
const SHORTEST_OPEN_MS = 250

/** How many calls go through after the first one that did: doubling, so that a service which comes back is not run over. */
const FIRST_ADMITTED = 2
/** From this many on, the breaker is out of the way. */
const ENOUGH_ADMITTED = 32

/** What opened it. A failure to connect is never one entry's fault, and is over as soon as anything is answered. */
type Trouble = 'ill' | 'unreachable'

type State =
  | { readonly is: 'closed' }
  /** Nothing goes through until `untilMs`; then one call does, as a probe. */
  | { readonly is: 'open'; readonly trouble: Trouble; readonly untilMs: number; readonly times: number }
  /** `admitted` calls at a time, and more with every one that goes well. */
  | { readonly is: 'recovering'; readonly trouble: Trouble; readonly admitted: number; readonly times: number }

/** A call that has ended, as the breaker needs to know it. */
export interface EndedCall {
  readonly entryId: string
  readonly begunAtMs: number
}

/**
 * A circuit breaker: while a service cannot be reached, or answers call after call in a way that leaves their outcome
 * unknown, it is left alone, but for a probe now and then; when a probe gets through, more and more calls follow.
 *
 * By hand, because it has to run on the engine's own clock and randomness (a simulator's, too) and to say *before* a
 * lease is taken how many calls may be made. cockatiel, the well-kept library, reads `Date.now()`, and judges a call
 * that is under way already.
 */
export class Breaker {
  readonly #randomness: Randomness
  #state: State = { is: 'closed' }
  #failures = 0
  #failedAtMs = Number.NEGATIVE_INFINITY
  /** What speaks against the service since a call last went well: entries that it failed, and failures to connect. */
  readonly #failedEntries = new Set<string>()
  #unreached = 0
  #underWay = 0

  constructor(randomness: Randomness) {
    this.#randomness = randomness
  }

  /** Failures one after another since the last call that went well; those of calls at the same time are one. */
  get failuresInARow(): number {
    return this.#failures
  }

  get isOpen(): boolean {
    return this.#state.is === 'open'
  }

  /**
   * Whether what was never called should be tried before what was: entries that make the service fail by themselves
   * would otherwise, being the first to be tried again, hide that it is well. Every other probe, so that doubts come to
   * their turn as well.
   */
  get prefersFresh(): boolean {
    return this.#state.is === 'recovering' || (this.#state.is === 'open' && this.#state.times % 2 === 0)
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

  /** A call that had begun is over. `news`: null where it says nothing of the service. */
  end(news: ServiceNews | null, call: EndedCall, nowMs: number): void {
    this.#underWay = Math.max(0, this.#underWay - 1)
    if (news === 'well') this.#noteWell()
    else if (news === 'reachable') this.#noteReachable()
    else if (news !== null) this.#noteFailure(news === 'unreachable' ? news : 'ill', call, nowMs)
  }

  #noteWell(): void {
    this.#failures = 0
    this.#forget()
    const state = this.#state
    if (state.is === 'open') {
      const { trouble, times } = state
      this.#state = { is: 'recovering', trouble, admitted: FIRST_ADMITTED, times }
    }
    if (state.is === 'recovering') {
      const admitted = state.admitted + 1
      this.#state = admitted >= ENOUGH_ADMITTED ? { is: 'closed' } : { ...state, admitted }
    }
  }

  /** A look-up was answered. A service may answer those and fail every call. */
  #noteReachable(): void {
    this.#unreached = 0
    if (this.#state.is !== 'closed' && this.#state.trouble === 'unreachable') this.#noteWell()
  }

  #noteFailure(trouble: Trouble, { entryId, begunAtMs }: EndedCall, nowMs: number): void {
    if (begunAtMs >= this.#failedAtMs) this.#failures++
    this.#failedAtMs = nowMs
    const state = this.#state
    // Calls that were under way when it opened say nothing new.
    if (state.is === 'open' && nowMs < state.untilMs) return
    if (trouble === 'unreachable') this.#unreached++
    else this.#failedEntries.add(entryId)
    if (state.is === 'open' || this.#speaksAgainst(trouble, state.is)) this.#open(trouble, nowMs)
  }

  #speaksAgainst(trouble: Trouble, state: 'closed' | 'recovering'): boolean {
    const failures = this.#failedEntries.size + this.#unreached
    if (state === 'closed') return failures >= FAILURES_TO_OPEN
    return trouble === 'unreachable' || failures >= FAILURES_TO_OPEN_AGAIN
  }

  #open(trouble: Trouble, nowMs: number): void {
    const times = this.#state.is === 'closed' ? 1 : this.#state.times + 1
    const delayMs = Math.max(SHORTEST_OPEN_MS, backoffMs(this.#randomness, times, OPEN))
    this.#state = { is: 'open', trouble, untilMs: nowMs + delayMs, times }
    this.#forget()
  }

  #forget(): void {
    if (this.#failedEntries.size > 0) this.#failedEntries.clear()
    this.#unreached = 0
  }
}
