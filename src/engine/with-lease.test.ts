import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryLease } from '../lease/memory.js'
import { LeaseLostError, LeaseUnavailable } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { type Lease, withLease } from './with-lease.js'

const KEY = 'order-1'

describe('withLease', () => {
  let service: MemoryLease

  beforeEach(() => {
    service = new MemoryLease(realClock)
  })

  /** Resolves when the lease is lost. */
  function lossOf(lease: Lease): Promise<void> {
    const { signal } = lease
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }

  async function isFree(): Promise<boolean> {
    return (await service.acquire(KEY, 100, 'probe')) !== null
  }

  it('runs the work under the lease, returns its result and gives the lease back', async () => {
    const result = await withLease(service, KEY, { ttl: '10s' }, async (lease) => {
      expect(await isFree()).toBe(false)
      expect(lease.remainingMs()).toBeGreaterThan(9_000)
      expect(lease.remainingMs()).toBeLessThanOrEqual(9_898)
      expect(lease.signal.aborted).toBe(false)
      return lease.fence
    })
    expect(result).toBe(1)
    expect(await isFree()).toBe(true)
  })

  it('gives the lease back when the work throws, and throws the same', async () => {
    const bug = new Error('bug')
    await expect(withLease(service, KEY, { ttl: '10s' }, () => Promise.reject(bug))).rejects.toBe(bug)
    expect(await isFree()).toBe(true)
  })

  it('lets two callers in one after the other, the second with a greater fence', async () => {
    const log: string[] = []
    const run = (name: string): Promise<number> =>
      withLease(service, KEY, { ttl: '10s', wait: '10s' }, async (lease) => {
        log.push(`${name} in`)
        await realClock.sleep(20)
        log.push(`${name} out`)
        return lease.fence
      })
    const fences = await Promise.all([run('a'), run('b'), run('c')])
    for (let i = 0; i < 6; i += 2) expect(log[i]?.replace('in', 'out')).toBe(log[i + 1])
    expect(fences.toSorted((x, y) => x - y)).toEqual([1, 2, 3])
  })

  it('renews for as long as the work takes, under the same fence', async () => {
    await withLease(service, KEY, { ttl: 300 }, async (lease) => {
      for (let i = 0; i < 10; i++) {
        await realClock.sleep(100)
        expect(lease.remainingMs()).toBeGreaterThan(0)
        expect(await isFree()).toBe(false)
      }
      lease.throwIfLost()
      expect(lease.fence).toBe(1)
    })
  })

  it('is told at once that another holds it, or when the wait is over', async () => {
    await service.acquire(KEY, 60_000, 'other')
    const work = (): Promise<never> => expect.unreachable('the work ran without a lease')
    await expect(withLease(service, KEY, { ttl: '10s' }, work)).rejects.toMatchObject({
      name: 'LeaseUnavailable',
      code: 'lease_unavailable',
      reason: 'held',
    })
    const startedAtMs = performance.now()
    await expect(withLease(service, KEY, { ttl: '10s', wait: 150 }, work)).rejects.toThrow(LeaseUnavailable)
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(149)
  })

  it('stops waiting when the signal says so', async () => {
    await service.acquire(KEY, 60_000, 'other')
    const stop = new AbortController()
    const waiting = withLease(service, KEY, { ttl: '10s', wait: '1h', signal: stop.signal }, async () => undefined)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toMatchObject({ code: 'lease_unavailable' })
    const never = withLease(service, KEY, { ttl: '10s', signal: AbortSignal.abort('no') }, async () => undefined)
    await expect(never).rejects.toMatchObject({ code: 'lease_unavailable', cause: 'no' })
  })

  it('waits through an outage of the service, and says what was wrong when it lasts', async () => {
    service.setOutage('the network is down')
    await expect(withLease(service, KEY, { ttl: '1s', wait: 100 }, async () => 1)).rejects.toMatchObject({
      code: 'lease_unavailable',
      reason: 'unreachable',
      message: expect.stringContaining('the network is down'),
    })
    const waiting = withLease(service, KEY, { ttl: '1s', wait: '10s' }, async () => 1)
    await realClock.sleep(30)
    service.setOutage(null)
    expect(await waiting).toBe(1)
  })

  it('aborts before the service lets another in, when it cannot renew', async () => {
    const ttlMs = 300
    let freeAtLoss: boolean | null = null
    // A busy machine wakes timers late; where the service's own time was over by then, it is tried anew.
    while (freeAtLoss === null) {
      const askedAtMs = performance.now()
      const held = withLease(service, KEY, { ttl: ttlMs, wait: '10s' }, async (lease) => {
        service.setOutage('the network is down')
        await lossOf(lease)
        service.setOutage(null)
        const isFreeNow = await isFree()
        if (performance.now() < askedAtMs + ttlMs) freeAtLoss = isFreeNow
        expect(lease.remainingMs()).toBe(0)
        expect(() => lease.throwIfLost()).toThrow(LeaseLostError)
        return 'done all the same'
      })
      await expect(held).rejects.toMatchObject({
        code: 'lease_lost',
        cause: expect.objectContaining({ reason: 'unreachable' }),
      })
    }
    expect(freeAtLoss).toBe(false)
  })

  it('aborts at the next renewal when the service says that the lease is over', async () => {
    const failure = new Error('half done')
    const held = withLease(service, KEY, { ttl: 300 }, async (lease) => {
      service.renew = async () => false
      await lossOf(lease)
      expect(lease.signal.reason).toBeInstanceOf(LeaseLostError)
      throw failure
    })
    await expect(held).rejects.toMatchObject({ code: 'lease_lost', cause: failure })
  })

  it('throws the loss itself when the work ends by it', async () => {
    let reason: unknown
    const held = withLease(service, KEY, { ttl: 200 }, async (lease) => {
      service.renew = async () => false
      await lossOf(lease)
      reason = lease.signal.reason
      lease.throwIfLost()
    })
    const thrown = await held.catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(LeaseLostError)
    expect(thrown).toBe(reason)
  })

  it('finds the lease lost after a long synchronous stretch, before any timer has fired', async () => {
    const held = withLease(service, KEY, { ttl: 150 }, async (lease) => {
      const until = performance.now() + 200
      while (performance.now() < until);
      expect(lease.signal.aborted).toBe(true)
      expect(lease.remainingMs()).toBe(0)
    })
    await expect(held).rejects.toThrow(LeaseLostError)
  })

  it('is no lease any more once its work has ended', async () => {
    const kept = await withLease(service, KEY, { ttl: '10s' }, async (lease) => lease)
    expect(kept.remainingMs()).toBe(0)
    expect(() => kept.throwIfLost()).toThrow(LeaseLostError)
  })

  it('gives up on a service that does not answer, and gives back what it grants too late', async () => {
    const late = new AbortController()
    const acquire = service.acquire.bind(service)
    service.acquire = async (key, ttlMs, holder) => {
      await realClock.sleep(60_000, late.signal)
      return acquire(key, ttlMs, holder)
    }
    await expect(withLease(service, KEY, { ttl: 200 }, async () => 1)).rejects.toMatchObject({ reason: 'unreachable' })
    service.acquire = acquire
    late.abort()
    await realClock.sleep(0)
    expect(await isFree()).toBe(true)
  })

  it('refuses a ttl or key that makes no sense', async () => {
    await expect(withLease(service, KEY, { ttl: 50 }, async () => 1)).rejects.toMatchObject({ code: 'configuration' })
    await expect(withLease(service, '', { ttl: '1s' }, async () => 1)).rejects.toMatchObject({ code: 'invalid_key' })
  })
})
