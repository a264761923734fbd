import { type LeaseGrant, LeaseLostError, type LeaseService, usableLeaseMs } from '../protocol/index.js'
import { type Clock, type Randomness, realClock, realRandomness } from '../system/index.js'
import { acquireLease, answerOf, type LeaseOptions, type TimedGrant } from './acquire-lease.js'
import { backoffMs } from './backoff.js'

/** A lease, as the one that holds it sees it. */
export interface Lease {
  readonly key: string
  /** Greater than that of every earlier holder of this key. Send it along to whatever can refuse a smaller one. */
  readonly fence: number
  /**
   * Aborts, with a `LeaseLostError`, when the lease is lost or this process can no longer be sure of it. Take it anew
   * from the lease right before each step (`fetch(url, { signal: lease.signal })`): reading this property also looks at
   * the clock, so a process that was stopped and woken finds it aborted before any timer has fired.
   */
  readonly signal: AbortSignal
  /**
   * Milliseconds for which nobody else can be let in, by this process's own count; 0 once it is lost. It reaches 0
   * before the service gives the lease to another (P3).
   */
  remainingMs(): number
  /** @throws {LeaseLostError} when it is lost. For the moment before a step that cannot be undone. */
  throwIfLost(): void
}

/**
 * Runs `work` while holding the lease of `key`: one at a time among all processes that use the same service.
 *
 * The lease is renewed at a third of its ttl, and while the service cannot be asked it is tried on until the lease runs
 * out. It is released when `work` ends. A hanging `work` holds it for ever: give your calls a timeout.
 *
 * After a loss `work` is not stopped, since JavaScript cannot: `lease.signal` aborts, and this function waits for `work`
 * and then throws `LeaseLostError` whatever it returned. What `work` does after the loss is the caller's to answer for:
 * another may be acting by then. See docs/leases.md for what a lease cannot promise.
 *
 * @throws {LeaseUnavailable} not granted within `wait`; `work` was not called.
 * @throws {LeaseLostError} lost before `work` ended: what it did stands, but may have met another holder's acts. `cause`:
 * what `work` threw, if it did.
 * @throws {ConfigurationError} {@link InvalidKeyError}
 * @throws whatever `work` throws while the lease is held.
 */
export async function withLease<T>(
  service: LeaseService,
  key: string,
  options: LeaseOptions,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const granted = await acquireLease(service, key, options)
  const held = new HeldLease(service, granted, options.clock ?? realClock, options.randomness ?? realRandomness)
  held.start()
  try {
    const result = await work(held)
    held.throwIfLost()
    return result
  } catch (error) {
    throw held.lossBehind(error)
  } finally {
    await held.end()
  }
}

/** Tries again soon while the service cannot be asked: the lease is running out. */
const RENEW_RETRY = { retryFirstMs: 50, retryLongestMs: 1_000 }

class HeldLease implements Lease {
  readonly key: string
  readonly fence: number
  readonly #service: LeaseService
  readonly #grant: LeaseGrant
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #randomness: Randomness
  readonly #lost = new AbortController()
  /** Aborts when there is nothing more to renew: `work` has ended, or the lease is lost. */
  readonly #over = new AbortController()
  #usableUntilMs: number
  #cancelExpiry: () => void = () => undefined
  #trouble: unknown

  constructor(service: LeaseService, granted: TimedGrant, clock: Clock, randomness: Randomness) {
    this.#service = service
    this.#grant = granted.grant
    this.#ttlMs = granted.ttlMs
    this.#usableUntilMs = granted.usableUntilMs
    this.#clock = clock
    this.#randomness = randomness
    this.key = granted.grant.key
    this.fence = granted.grant.fence
  }

  get signal(): AbortSignal {
    this.remainingMs()
    return this.#lost.signal
  }

  remainingMs(): number {
    if (this.#over.signal.aborted) return 0
    const leftMs = this.#usableUntilMs - this.#clock.monotonicMs()
    if (leftMs > 0) return leftMs
    this.#lose('ran out before it could be renewed')
    return 0
  }

  throwIfLost(): void {
    if (this.remainingMs() > 0) return
    throw this.#lost.signal.aborted ? this.#lost.signal.reason : this.#loss('was given back when its work ended')
  }

  start(): void {
    this.#watchExpiry()
    void this.#keepRenewing()
  }

  /** What to throw when `work` threw `error`: the loss, if there was one. */
  lossBehind(error: unknown): unknown {
    if (this.remainingMs() > 0 || error === this.#lost.signal.reason) return error
    return this.#loss('was lost before its work failed', error)
  }

  /** Stops renewing and gives the lease back; where that fails it ends by its expiry. */
  async end(): Promise<void> {
    this.#over.abort()
    this.#cancelExpiry()
    const release = this.#service.release(this.#grant)
    await answerOf(this.#clock, this.key, this.#ttlMs, release).catch(() => undefined)
  }

  #watchExpiry(): void {
    const leftMs = this.remainingMs()
    if (leftMs > 0) this.#cancelExpiry = this.#clock.schedule(leftMs, () => this.#watchExpiry())
  }

  async #keepRenewing(): Promise<void> {
    let failures = 0
    while (!this.#over.signal.aborted) {
      const delayMs = failures === 0 ? this.#ttlMs / 3 : backoffMs(this.#randomness, failures, RENEW_RETRY)
      await this.#clock.sleep(delayMs, this.#over.signal)
      if (this.remainingMs() > 0) failures = (await this.#renew()) ? 0 : failures + 1
    }
  }

  /** False when the service could not be asked. */
  async #renew(): Promise<boolean> {
    const usableUntilMs = this.#clock.monotonicMs() + usableLeaseMs(this.#ttlMs)
    try {
      const asked = this.#service.renew(this.#grant, this.#ttlMs)
      const renewed = await answerOf(this.#clock, this.key, this.#ttlMs / 3, asked)
      this.#trouble = undefined
      if (!renewed) this.#lose('is over, says its service')
      // What this process has given up it does not take back, also when a late answer would allow it.
      else if (this.remainingMs() > 0) this.#usableUntilMs = usableUntilMs
      return true
    } catch (error) {
      this.#trouble = error
      return false
    }
  }

  #lose(what: string): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#cancelExpiry()
    this.#lost.abort(this.#loss(what, this.#trouble))
  }

  #loss(what: string, cause?: unknown): LeaseLostError {
    return new LeaseLostError(
      `The lease ${JSON.stringify(this.key)} with fence ${this.fence} ${what}. Another may hold it by now and act: ` +
        'do nothing more under this one, and find out what was done before it is done again.',
      cause === undefined ? {} : { cause },
    )
  }
}
