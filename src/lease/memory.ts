import { checkLeaseKey, checkLeaseMs, type LeaseGrant, type LeaseService, LeaseUnavailable } from '../protocol/index.js'
import type { Clock } from '../system/index.js'

interface Held {
  fence: number
  holder: string | null
  untilMs: number
}

/** Leases in one process's memory, for tests and simulations: `clock` is the service's clock. */
export class MemoryLease implements LeaseService {
  readonly #clock: Clock
  readonly #leases = new Map<string, Held>()
  #outage: string | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Makes every operation fail as an unreachable service would, until called with null. */
  setOutage(problem: string | null): void {
    this.#outage = problem
  }

  async acquire(key: string, ttlMs: number, holder: string): Promise<LeaseGrant | null> {
    checkLeaseKey(key)
    checkLeaseMs(ttlMs)
    this.#requireService(key)
    const nowMs = this.#clock.monotonicMs()
    const lease = this.#leases.get(key) ?? { fence: 0, holder: null, untilMs: 0 }
    const taken = lease.holder !== null && lease.untilMs > nowMs
    if (taken && lease.holder !== holder) return null
    if (!taken) lease.fence += 1
    lease.untilMs = Math.max(taken ? lease.untilMs : 0, nowMs + ttlMs)
    lease.holder = holder
    this.#leases.set(key, lease)
    return { key, fence: lease.fence, holder }
  }

  async renew(grant: LeaseGrant, ttlMs: number): Promise<boolean> {
    checkLeaseMs(ttlMs)
    this.#requireService(grant.key)
    const nowMs = this.#clock.monotonicMs()
    const lease = this.#leases.get(grant.key)
    if (lease === undefined || lease.holder !== grant.holder || lease.fence !== grant.fence) return false
    if (lease.untilMs <= nowMs) return false
    lease.untilMs = Math.max(lease.untilMs, nowMs + ttlMs)
    return true
  }

  async release(grant: Pick<LeaseGrant, 'key' | 'holder'>): Promise<void> {
    this.#requireService(grant.key)
    const lease = this.#leases.get(grant.key)
    if (lease?.holder === grant.holder) lease.holder = null
  }

  /** For a simulator that tells states of the world apart. */
  known(): readonly unknown[] {
    return [...this.#leases]
  }

  #requireService(key: string): void {
    if (this.#outage !== null) throw new LeaseUnavailable(key, 'unreachable', this.#outage)
  }
}
