import type { Clock, Randomness } from '../../system/index.js'
import { Breaker } from './breaker.js'
import { RateLimit } from './rate-limit.js'

/** At most so many calls begin in any stretch of time. */
export interface RateLimitTerms {
  readonly calls: number
  readonly perMs: number
}

/** What one call told of its service. */
export interface CallNews {
  /** Whether it reached the service; null where it says nothing about that (it was never made, or nobody knows). */
  readonly reached: boolean | null
  /** The service asked not to be called sooner (Retry-After); null: it did not. */
  readonly retryAfterMs: number | null
}

/** A call that was let through. */
export interface Permit {
  /** The call is made now: the rate is counted from here. */
  start(): void
  /** Tells how it ended, once. */
  end(news: CallNews): void
  /** It was not made after all. */
  giveBack(): void
}

/**
 * Stands before one service in this process: its rate limit, the pause that it asked for, and its circuit breaker. The
 * dispatcher asks it before it takes an entry, so that what is held back costs neither a lease nor an attempt.
 */
export class ServiceGuard {
  readonly #clock: Clock
  readonly #rate: RateLimit | null
  readonly #breaker: Breaker
  #pausedUntilMs = Number.NEGATIVE_INFINITY

  constructor(rate: RateLimitTerms | null, ports: { readonly clock: Clock; readonly randomness: Randomness }) {
    this.#clock = ports.clock
    this.#rate = rate === null ? null : new RateLimit(rate.calls, rate.perMs)
    this.#breaker = new Breaker(ports.randomness)
  }

  /** Failures to connect since the last call that reached the service. */
  get failuresInARow(): number {
    return this.#breaker.failuresInARow
  }

  /** How many calls more may begin now. Infinity: as many as you like. */
  free(): number {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#pausedUntilMs) return 0
    return Math.min(this.#breaker.free(nowMs), this.#rate?.free(nowMs) ?? Number.POSITIVE_INFINITY)
  }

  /** How long until a call may begin, as far as time alone decides; 0: now, or when another has ended. */
  waitMs(): number {
    const nowMs = this.#clock.monotonicMs()
    const waits = [this.#pausedUntilMs - nowMs, this.#breaker.waitMs(nowMs), this.#rate?.waitMs(nowMs) ?? 0]
    return Math.max(0, ...waits)
  }

  /** A call begins. It is counted also where it is not free: a caller of `perform` waits for nobody. */
  begin(): Permit {
    this.#breaker.begin()
    return new OpenPermit(this.#clock, this.#rate, this.#end)
  }

  readonly #end = (news: CallNews): void => {
    const nowMs = this.#clock.monotonicMs()
    this.#breaker.end(news.reached, nowMs)
    if (news.retryAfterMs !== null) this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + news.retryAfterMs)
  }
}

const NEVER_MADE: CallNews = { reached: null, retryAfterMs: null }

class OpenPermit implements Permit {
  readonly #clock: Clock
  readonly #rate: RateLimit | null
  readonly #onEnd: (news: CallNews) => void
  #begunAtMs: number
  #open = true

  constructor(clock: Clock, rate: RateLimit | null, onEnd: (news: CallNews) => void) {
    this.#clock = clock
    this.#rate = rate
    this.#onEnd = onEnd
    this.#begunAtMs = clock.monotonicMs()
    rate?.begin(this.#begunAtMs)
  }

  start(): void {
    this.#rate?.giveBack(this.#begunAtMs)
    this.#begunAtMs = this.#clock.monotonicMs()
    this.#rate?.begin(this.#begunAtMs)
  }

  end(news: CallNews): void {
    if (!this.#open) return
    this.#open = false
    this.#onEnd(news)
  }

  giveBack(): void {
    if (!this.#open) return
    this.#rate?.giveBack(this.#begunAtMs)
    this.end(NEVER_MADE)
  }
}
