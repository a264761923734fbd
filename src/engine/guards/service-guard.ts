import type { DueFirst, ServiceNews } from '../../protocol/index.js'
import type { Clock, Randomness } from '../../system/index.js'
import { Breaker, type EndedCall } from './breaker.js'
import { RateLimit } from './rate-limit.js'

/** At most so many calls begin in any stretch of time. */
export interface RateLimitTerms {
  readonly calls: number
  readonly perMs: number
}

/** What one call told of its service. */
export interface CallNews {
  /** Null where it says nothing of it (it was never made). */
  readonly service: ServiceNews | null
  /** The service asked not to be called sooner (Retry-After); null: it did not. */
  readonly retryAfterMs: number | null
}

/** A call that was let through. */
export interface Permit {
  /** Whether the service was known to be down or ill when the call was made: that it failed too says nothing of its entry. */
  readonly begunInOutage: boolean
  /** The call is made now: the rate is counted from here. */
  start(): void
  /** Tells how it ended, once. */
  end(news: CallNews): void
  /** It was not made after all. */
  giveBack(): void
}

/**
 * The longest that a service can ask to be left alone. Some send a moment where a stretch is meant, or nonsense: that
 * would stop the service's effects until the process is started anew.
 */
export const LONGEST_PAUSE_MS = 3_600_000

/** What a guard works with. */
export interface GuardPorts {
  readonly clock: Clock
  readonly randomness: Randomness
  /** Hears of a pause that was asked for and is too long to be obeyed. */
  readonly onPauseTooLong?: (askedMs: number) => void
}

/**
 * Stands before one service in this process: its rate limit, the pause that it asked for, and its circuit breaker. The
 * dispatcher asks it before it takes an entry, so that what is held back costs neither a lease nor an attempt.
 */
export class ServiceGuard {
  readonly #clock: Clock
  readonly #rate: RateLimit | null
  readonly #breaker: Breaker
  readonly #onPauseTooLong: (askedMs: number) => void
  readonly #giver: Giver
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  /** Calls that are to come of what was asked for or taken in hand, and have no permit yet. */
  #expected = 0

  constructor(rate: RateLimitTerms | null, ports: GuardPorts) {
    this.#clock = ports.clock
    this.#onPauseTooLong = ports.onPauseTooLong ?? (() => undefined)
    this.#rate = rate === null ? null : new RateLimit(rate.calls, rate.perMs)
    this.#breaker = new Breaker(ports.randomness)
    this.#giver = {
      clock: this.#clock,
      rate: this.#rate,
      isIll: () => this.isIll,
      end: (news, call) => this.#end(news, call),
    }
  }

  /** Failures one after another since the last call that went well; those of calls at the same time are one. */
  get failuresInARow(): number {
    return this.#breaker.failuresInARow
  }

  /** Whether it is left alone because it is down or ill. */
  get isIll(): boolean {
    return this.#breaker.isOpen
  }

  /** Which entries say most about the service now. */
  get first(): DueFirst {
    return this.#breaker.prefersFresh ? 'fresh' : 'begun'
  }

  /** How long the service has still asked to be left alone. */
  get pausedForMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#clock.monotonicMs())
  }

  /** How many calls more may begin now. Infinity: as many as you like. */
  free(): number {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#pausedUntilMs) return 0
    const free = Math.min(this.#breaker.free(nowMs), this.#rate?.free(nowMs) ?? Number.POSITIVE_INFINITY)
    return Math.max(0, free - this.#expected)
  }

  /** So many calls are to come; the returned function says that they come now, or never. */
  expect(calls: number): () => void {
    this.#expected += calls
    let areExpected = true
    return () => {
      if (areExpected) this.#expected -= calls
      areExpected = false
    }
  }

  /** How long until a call may begin, as far as time alone decides; 0: now, or when another has ended. */
  waitMs(): number {
    const nowMs = this.#clock.monotonicMs()
    const waits = [this.#pausedUntilMs - nowMs, this.#breaker.waitMs(nowMs), this.#rate?.waitMs(nowMs) ?? 0]
    return Math.max(0, ...waits)
  }

  /** How long the rate limit alone holds back a call that would begin now; 0: not at all. */
  overRateForMs(): number {
    const nowMs = this.#clock.monotonicMs()
    if (this.#rate === null || this.#rate.free(nowMs) > this.#expected) return 0
    return Math.ceil(this.#rate.waitMs(nowMs)) || this.#rate.perMs
  }

  /** A call for `entryId` is to begin. It is counted also where it is not free: a caller of `perform` waits for nobody. */
  begin(entryId: string): Permit {
    this.#breaker.begin()
    return new OpenPermit(this.#giver, entryId)
  }

  #end({ service, retryAfterMs }: CallNews, call: EndedCall): void {
    const nowMs = this.#clock.monotonicMs()
    // A probe that is told when to come again is obeyed to the letter: the time to wait does not double besides.
    const isTold = service === 'not_now' && retryAfterMs !== null && this.#breaker.isOpen
    this.#breaker.end(isTold ? null : service, call, nowMs)
    if (retryAfterMs === null) return
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + Math.min(retryAfterMs, LONGEST_PAUSE_MS))
    if (retryAfterMs > LONGEST_PAUSE_MS) this.#onPauseTooLong(retryAfterMs)
  }
}

const NEVER_MADE: CallNews = { service: null, retryAfterMs: null }

/** The guard, as a permit sees it. */
interface Giver {
  readonly clock: Clock
  readonly rate: RateLimit | null
  isIll(): boolean
  end(news: CallNews, call: EndedCall): void
}

class OpenPermit implements Permit, EndedCall {
  readonly entryId: string
  readonly #giver: Giver
  begunInOutage = false
  begunAtMs: number
  #open = true
  #started = false

  constructor(giver: Giver, entryId: string) {
    this.entryId = entryId
    this.#giver = giver
    this.begunAtMs = giver.clock.monotonicMs()
    giver.rate?.reserve()
  }

  start(): void {
    const { clock, rate } = this.#giver
    this.begunAtMs = clock.monotonicMs()
    this.#giveReservationBack()
    rate?.begin(this.begunAtMs)
    this.begunInOutage = this.#giver.isIll()
  }

  end(news: CallNews): void {
    if (!this.#open) return
    this.#open = false
    this.#giveReservationBack()
    this.#giver.end(news, this)
  }

  giveBack(): void {
    this.end(NEVER_MADE)
  }

  #giveReservationBack(): void {
    if (!this.#started) this.#giver.rate?.giveBack()
    this.#started = true
  }
}
