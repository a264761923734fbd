import { ConfigurationError, InvalidKeyError } from './errors.js'
import { MAX_KEY_LENGTH } from './reference.js'

/** The right to act under one key, until the service gives it to another. */
export interface LeaseGrant {
  readonly key: string
  /**
   * The fencing token: greater than that of every earlier grant of this key, for ever, also across releases, expiry
   * and purges. Whoever keeps the greatest that it has seen can refuse a late holder.
   */
  readonly fence: number
  /** Proves that a later `renew` or `release` comes from this holder. */
  readonly holder: string
}

/**
 * A service of leases: the port behind `serializeBy` and `withLease`. `src/lease/conformance.ts` holds every promise
 * below as a check for any implementation.
 *
 * - At most one unexpired grant per key, and fences grow.
 * - The service's own clock alone decides when a grant is over (P3). A holder gives up earlier than that: it counts
 *   {@link usableLeaseMs} on its monotonic clock from *before* it asked.
 * - Each method either does what it says or throws `LeaseUnavailable`; after a throw it may or may not have taken
 *   effect. In doubt about its own state (a restart, lost data) a service refuses: nobody is let in on a guess.
 * - Nothing here waits for a lease to become free: that is built once, above this port.
 */
export interface LeaseService {
  /** The longest ttl that may be asked for. Left out: there is no longest. */
  readonly maxTtlMs?: number

  /**
   * Asks for the lease of `key` for `ttlMs` (a whole number). `holder` is a token drawn anew for each ask. Asking again
   * with the same token while its grant lasts answers that same grant, so that a driver which sends a command twice
   * after a lost connection does no harm.
   *
   * @returns the grant, or null while another holds the lease.
   * @throws {LeaseUnavailable} the service could not be asked, or cannot know who holds it.
   * @throws {ConfigurationError} {@link InvalidKeyError}
   */
  acquire(key: string, ttlMs: number, holder: string): Promise<LeaseGrant | null>

  /**
   * Lets an unexpired grant last at least `ttlMs` from now; never shortens it. The fence stays.
   *
   * @returns false when the grant is over, by expiry, release or loss: then nothing was changed.
   * @throws {LeaseUnavailable} the service could not be asked. The grant lasts as long as it did.
   */
  renew(grant: LeaseGrant, ttlMs: number): Promise<boolean>

  /**
   * Ends the grant, so that another need not wait for its expiry. The holder's token decides, not the fence; of a
   * stale holder it changes nothing.
   *
   * @throws {LeaseUnavailable} the service could not be asked. The grant ends by expiry at the latest.
   */
  release(grant: Pick<LeaseGrant, 'key' | 'holder'>): Promise<void>

  /**
   * Looks at up to `limit` keys behind `after` (null: from the first), in an order of its own, and forgets those that
   * nobody has held for a day. Their fences still grow afterwards. Left out: it forgets by itself, or never.
   *
   * @throws {LeaseUnavailable} the service could not be asked.
   */
  purge?(limit: number, after: string | null): Promise<PurgedLeases>
}

/** What came of one step of a purge. */
export interface PurgedLeases {
  readonly purged: number
  /** Where the next step goes on; null: there is nothing behind. */
  readonly next: string | null
}

/** The shortest lease: below it, a garbage collection or a slow answer would lose it at once. */
export const MIN_LEASE_MS = 100

/**
 * How long a holder may act under a lease of `ttlMs`, counted from before it asked: 1 % and 2 ms less than the service
 * counts. The two clocks may run at different rates, and services round to milliseconds. (The allowance is that of
 * "Distributed Locks with Redis", redis.io; an NTP daemon that slews stays far below 1 % except after a large step.)
 */
export function usableLeaseMs(ttlMs: number): number {
  return ttlMs - ttlMs / 100 - 2
}

/** @throws {InvalidKeyError} when no service could keep the key. */
export function checkLeaseKey(key: string): void {
  if (key.length === 0) throw new InvalidKeyError('must not be empty; the key of the lease is')
  if (key.length > MAX_KEY_LENGTH) {
    throw new InvalidKeyError(`must have at most ${MAX_KEY_LENGTH} characters; the key of the lease has ${key.length}`)
  }
  if (key.includes('\0') || !key.isWellFormed()) {
    throw new InvalidKeyError('must be text that every service can store; it holds U+0000 or a lone surrogate')
  }
}

/** @throws {ConfigurationError} when it is no whole number of milliseconds, or too short to be of use. */
export function checkLeaseMs(ttlMs: number): void {
  if (Number.isInteger(ttlMs) && ttlMs >= MIN_LEASE_MS) return
  throw new ConfigurationError(
    `The ttl of a lease is ${ttlMs} ms: it must be a whole number, at least ${MIN_LEASE_MS}. Nothing was asked for.`,
  )
}
