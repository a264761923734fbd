import {
  ConfigurationError,
  checkLeaseKey,
  checkLeaseMs,
  type Duration,
  type LeaseGrant,
  type LeaseService,
  LeaseUnavailable,
  toMs,
} from '../../protocol/index.js'
import { type RedisClient, runScript } from './client.js'
import { BUCKETS, epochKey, type RedisKeys, redisKeys } from './keys.js'
import { ACQUIRE, OPEN, RELEASE, RENEW, type Script } from './scripts.js'

export interface RedisLeaseOptions {
  /** Begins every name in Redis; no braces. The same in all processes that share leases. Default `counterfoil`. */
  readonly prefix?: string
  /**
   * The longest ttl that is ever asked for, and so how long Redis refuses leases after it has lost its memory or may
   * have: after a restart, a fail-over, a flush, and when it is first used. At least `timeout` + `leaseGrace` of every
   * effect with a `serializeBy` (40 s, with their defaults). The same in all processes that share leases; another one is
   * refused. Default 1 min. To change it: stop them all, delete the keys `{<prefix>:*}:epoch`.
   */
  readonly maxTtl?: Duration
}

/** How long a fence is remembered after its lease: past it, a new one starts from the clock, which is ahead by then. */
const KEEP_MS = 24 * 60 * 60 * 1000

/**
 * Leases in Redis (5 or newer, or what speaks its protocol, with scripts and a `run_id` in INFO), decided by Redis'
 * clock. `client` is a connected client of `ioredis` or `redis` (node-redis), also their cluster clients.
 *
 * What it promises beyond a lock by SET NX: a Redis that was flushed, that restarted (empty, or from a snapshot that
 * lacks the last seconds), or that is a promoted replica grants nothing until `maxTtl` has passed, and renews nothing
 * granted before. So what it forgot is over, by its holder's own count, before anybody else is let in.
 *
 * What remains possible:
 * - Split brain: a primary cut off from its replicas goes on renewing leases for clients on its side while the
 *   promoted replica, `maxTtl` later, grants them anew. `min-replicas-to-write 1` with a `min-replicas-max-lag`
 *   shorter than the fail-over takes closes it; without, two can hold until the partition ends.
 * - A step of the Redis host's clock: forward, leases end early by that much; back by more than a day, a fence may be
 *   lower than an earlier one. Slew the clock, do not step it.
 * - Somebody deletes or edits single keys of ours, or eviction does: a `maxmemory-policy` other than `noeviction`
 *   together with a `maxmemory` is refused at the first use in a process; later changes are not seen.
 * - A service that checks no fence acts for a late holder as for any other. See docs/leases.md.
 *
 * @throws {ConfigurationError} when an option makes no sense.
 */
export function redisLease(client: RedisClient, options: RedisLeaseOptions = {}): LeaseService {
  const prefix = options.prefix ?? 'counterfoil'
  if (prefix.length === 0 || /[{}]/.test(prefix)) {
    throw new ConfigurationError(`prefix is ${JSON.stringify(prefix)}: it must not be empty or hold a brace.`)
  }
  const maxTtlMs = toMs(options.maxTtl ?? '1m', 'maxTtl')
  checkLeaseMs(maxTtlMs)
  return new RedisLease(client, prefix, maxTtlMs)
}

class RedisLease implements LeaseService {
  readonly maxTtlMs: number
  readonly #client: RedisClient
  readonly #prefix: string
  #opened: Promise<void> | null = null

  constructor(client: RedisClient, prefix: string, maxTtlMs: number) {
    this.#client = client
    this.#prefix = prefix
    this.maxTtlMs = maxTtlMs
  }

  async acquire(key: string, ttlMs: number, holder: string): Promise<LeaseGrant | null> {
    checkLeaseKey(key)
    this.#checkTtl(ttlMs)
    await this.#open(key)
    const [answer, detail, created] = await this.#run(key, ACQUIRE, [holder, String(ttlMs), String(KEEP_MS)])
    switch (answer) {
      case 'granted':
        return { key, fence: Number(detail), holder }
      case 'held':
        return null
      default:
        if (created === '1') this.#reopen(key)
        throw recovering(key, Number(detail))
    }
  }

  async renew(grant: LeaseGrant, ttlMs: number): Promise<boolean> {
    this.#checkTtl(ttlMs)
    const args = [grant.holder, String(grant.fence), String(ttlMs), String(KEEP_MS)]
    const [answer, created] = await this.#run(grant.key, RENEW, args)
    if (created === '1') this.#reopen(grant.key)
    return answer === 'renewed'
  }

  async release(grant: Pick<LeaseGrant, 'key' | 'holder'>): Promise<void> {
    await this.#run(grant.key, RELEASE, [grant.holder])
  }

  /** Begins the epochs of all buckets that have none, once per process and again after a loss of them was seen. */
  #open(key: string): Promise<void> {
    this.#opened ??= this.#openAll(key).catch((error: unknown) => {
      this.#opened = null
      throw error
    })
    return this.#opened
  }

  // One bucket lost its epoch, so the others did: begin theirs now, and their time of refusal runs at once. A failure
  // is nobody's yet: the next `acquire` tries again and tells.
  #reopen(key: string): void {
    this.#opened = null
    this.#open(key).catch(() => undefined)
  }

  async #openAll(key: string): Promise<void> {
    const buckets = Array.from({ length: BUCKETS }, (_, bucket) => epochKey(this.#prefix, bucket))
    const answers = await Promise.all(buckets.map((epoch) => this.#runOn(key, { lease: epoch, epoch }, OPEN, [])))
    for (const [, policy, limit] of answers) {
      if (policy === 'noeviction' || limit === '0') continue
      throw new LeaseUnavailable(
        key,
        'unreachable',
        `this Redis has maxmemory ${limit} and maxmemory-policy ${policy}: it may forget a lease that is held. ` +
          'Nothing was granted. Set maxmemory-policy to noeviction.',
        { transient: false },
      )
    }
  }

  #run(key: string, script: Script, args: readonly string[]): Promise<readonly string[]> {
    return this.#runOn(key, redisKeys(this.#prefix, key), script, args)
  }

  async #runOn(key: string, keys: RedisKeys, script: Script, args: readonly string[]): Promise<readonly string[]> {
    const answer = await this.#ask(key, keys, script, args)
    if (answer[0] === 'other_max_ttl') {
      throw new ConfigurationError(
        `Lease ${JSON.stringify(key)}: maxTtl is ${this.maxTtlMs} ms here and ${answer[1]} ms in other processes that ` +
          'share these leases. Nothing was changed. Make them agree: after a loss of Redis it says how long to refuse.',
      )
    }
    if (answer[0] === 'no_run_id') {
      throw new LeaseUnavailable(
        key,
        'unreachable',
        'this Redis names no run_id in INFO, so it cannot be known whether it forgot a lease. Nothing was granted.',
        { transient: false },
      )
    }
    return answer
  }

  async #ask(key: string, keys: RedisKeys, script: Script, args: readonly string[]): Promise<readonly string[]> {
    try {
      return await runScript(this.#client, script, [keys.lease, keys.epoch], [String(this.maxTtlMs), ...args])
    } catch (cause) {
      throw unreachable(key, cause)
    }
  }

  #checkTtl(ttlMs: number): void {
    checkLeaseMs(ttlMs)
    if (ttlMs <= this.maxTtlMs) return
    throw new ConfigurationError(
      `The ttl of a lease is ${ttlMs} ms, and the maxTtl of this Redis lease ${this.maxTtlMs} ms. Nothing was asked for.`,
    )
  }
}

function recovering(key: string, leftMs: number): LeaseUnavailable {
  return new LeaseUnavailable(
    key,
    'recovering',
    'Redis restarted, was flushed, failed over or is used for the first time, and may have forgotten who holds it. ' +
      `Nothing was granted. It grants again in ${leftMs} ms, when whatever was granted before is over.`,
  )
}

/** Answers of Redis that another attempt does not mend: rights, a foreign value under our name, no scripts. */
const LASTING = /^(NOPERM|NOAUTH|WRONGPASS|WRONGTYPE|CROSSSLOT|ERR (?!max number of clients))/

function unreachable(key: string, cause: unknown): LeaseUnavailable {
  const message = cause instanceof Error ? cause.message : String(cause)
  const transient = !LASTING.test(message)
  const next = transient
    ? 'Whether it was carried out is not known; a grant whose answer was lost ends by its expiry. Try again.'
    : 'Mend the configuration of Redis: trying again does not help.'
  return new LeaseUnavailable(key, 'unreachable', `Redis did not answer: ${message}. ${next}`, { cause, transient })
}
