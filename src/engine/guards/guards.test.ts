import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../../protocol/index.js'
import { type Clock, realClock } from '../../system/index.js'
import { Breaker } from './breaker.js'
import { Guards } from './guards.js'
import { RateLimit } from './rate-limit.js'
import { LONGEST_PAUSE_MS, ServiceGuard } from './service-guard.js'

const halves = { next: () => 0.5, token: () => 'token' }

const CALL = { entryId: 'entry', begunAtMs: 0 }

function standingClock(): Clock & { nowMs: number } {
  const clock = { ...realClock, nowMs: 1_000, monotonicMs: () => clock.nowMs }
  return clock
}

describe('a rate limit', () => {
  it('never lets more calls begin than it says, in any stretch of its time', () => {
    const limit = new RateLimit(3, 100)
    const begun: number[] = []
    for (let nowMs = 0; nowMs < 1_000; nowMs += 7) {
      while (limit.free(nowMs) > 0) {
        limit.begin(nowMs)
        begun.push(nowMs)
      }
    }
    for (const fromMs of begun) {
      expect(begun.filter((atMs) => atMs >= fromMs && atMs < fromMs + 100).length).toBeLessThanOrEqual(3)
    }
    expect(begun.length).toBeGreaterThanOrEqual(27)
  })

  it('says how long until the next may begin', () => {
    const limit = new RateLimit(2, 100)
    expect(limit.waitMs(0)).toBe(0)
    limit.begin(10)
    limit.begin(30)
    expect(limit.waitMs(40)).toBe(70)
    expect(limit.free(109)).toBe(0)
    expect(limit.free(110)).toBe(1)
  })

  it('counts calls that did not wait for it, so that the others make room', () => {
    const limit = new RateLimit(2, 100)
    for (const atMs of [0, 10, 20, 30]) limit.begin(atMs)
    expect(limit.free(105)).toBe(0)
    expect(limit.waitMs(105)).toBe(15)
    expect(limit.free(121)).toBe(1)
  })

  it('remembers no more than what counts, also where nobody asks what is free', () => {
    const limit = new RateLimit(5, 100)
    for (let nowMs = 0; nowMs < 100_000; nowMs += 50) limit.begin(nowMs)
    expect(limit.remembered).toBeLessThanOrEqual(10)
    for (let i = 0; i < 1_000; i++) limit.begin(100_000)
    expect(limit.remembered).toBeGreaterThanOrEqual(1_000)
    expect(limit.waitMs(100_050)).toBe(50)
  })

  it('forgets a call that was not made', () => {
    const limit = new RateLimit(1, 100)
    limit.reserve()
    expect(limit.free(0)).toBe(0)
    limit.giveBack()
    expect(limit.free(1)).toBe(1)
  })

  it('keeps the place of a call that is to begin, however late it does', () => {
    const limit = new RateLimit(2, 100)
    limit.begin(0)
    limit.reserve()
    expect([limit.free(50), limit.waitMs(50)]).toEqual([0, 50])
    limit.reserve()
    expect([limit.free(500), limit.waitMs(500)]).toEqual([0, 100])
    limit.giveBack()
    limit.begin(500)
    expect([limit.free(510), limit.waitMs(510)]).toEqual([0, 90])
    expect(limit.free(600)).toBe(1)
  })
})

describe('a circuit breaker', () => {
  function opened(): Breaker {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 5; i++) {
      breaker.begin()
      breaker.end('unreachable', CALL, 0)
    }
    return breaker
  }

  it('opens after five calls in a row that did not reach the service, and not before', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 9; i++) {
      breaker.begin()
      breaker.end(i === 4 ? 'well' : 'unreachable', CALL, 0)
      expect(breaker.free(0)).toBe(Number.POSITIVE_INFINITY)
    }
    breaker.begin()
    breaker.end('unreachable', CALL, 0)
    expect(breaker.free(0)).toBe(0)
  })

  it('is not opened by calls that say nothing of the service', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 50; i++) {
      breaker.begin()
      breaker.end(null, CALL, 0)
    }
    expect(breaker.free(0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('lets one call through after a while, and waits longer each time that it fails', () => {
    const breaker = opened()
    const waits: number[] = []
    let nowMs = 0
    for (let i = 0; i < 8; i++) {
      waits.push(breaker.waitMs(nowMs))
      nowMs += breaker.waitMs(nowMs)
      expect(breaker.free(nowMs)).toBe(1)
      breaker.begin()
      expect(breaker.free(nowMs)).toBe(0)
      breaker.end('unreachable', CALL, nowMs)
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  })

  it('lets a few through when the service is back, then more, and then all', () => {
    const breaker = opened()
    const nowMs = breaker.waitMs(0)
    const admitted: number[] = []
    for (let rounds = 0; rounds < 100 && breaker.free(nowMs) !== Number.POSITIVE_INFINITY; rounds++) {
      const free = breaker.free(nowMs)
      admitted.push(free)
      for (let i = 0; i < free; i++) breaker.begin()
      for (let i = 0; i < free; i++) breaker.end('well', CALL, nowMs)
    }
    expect(admitted).toEqual([1, 2, 4, 8, 16])
  })

  it('opens again when the service goes away while it recovers', () => {
    const breaker = opened()
    const nowMs = breaker.waitMs(0)
    breaker.begin()
    breaker.end('well', CALL, nowMs)
    expect(breaker.free(nowMs)).toBe(2)
    breaker.begin()
    breaker.end('unreachable', CALL, nowMs)
    expect(breaker.free(nowMs)).toBe(0)
    expect(breaker.waitMs(nowMs)).toBeGreaterThan(0)
  })
})

describe('a circuit breaker, of a service that answers ill', () => {
  const fail = (breaker: Breaker, entryId: string, nowMs = 0): void => {
    breaker.begin()
    breaker.end('ill', { entryId, begunAtMs: nowMs }, nowMs)
  }
  const succeed = (breaker: Breaker, nowMs = 0): void => {
    breaker.begin()
    breaker.end('well', CALL, nowMs)
  }
  function openedByIllness(): Breaker {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 5; i++) fail(breaker, `entry-${i}`)
    return breaker
  }

  it('opens after it failed five entries with none between that went well, and not before', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 9; i++) {
      if (i === 4) succeed(breaker)
      else fail(breaker, `entry-${i}`)
      expect(breaker.free(0)).toBe(Number.POSITIVE_INFINITY)
    }
    expect(breaker.isOpen).toBe(false)
    fail(breaker, 'entry-9')
    expect([breaker.isOpen, breaker.free(0)]).toEqual([true, 0])
  })

  it('is not opened by one entry alone, however often it makes the service fail, nor opened again', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 100; i++) fail(breaker, 'poison')
    expect(breaker.isOpen).toBe(false)
    const recovering = openedByIllness()
    const nowMs = recovering.waitMs(0)
    succeed(recovering, nowMs)
    for (let i = 0; i < 100; i++) fail(recovering, 'poison', nowMs)
    expect(recovering.isOpen).toBe(false)
    fail(recovering, 'another', nowMs)
    expect(recovering.isOpen).toBe(true)
  })

  it('counts answers that say "not now" and no time, since nothing else tells when to come again', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 5; i++) {
      breaker.begin()
      breaker.end('not_now', { entryId: `entry-${i}`, begunAtMs: 0 }, 0)
    }
    expect(breaker.isOpen).toBe(true)
  })

  it('prefers what was never called in every other probe, and while it recovers: the first to be tried may be to blame', () => {
    const breaker = openedByIllness()
    const preferred: boolean[] = []
    let nowMs = 0
    for (let i = 0; i < 4; i++) {
      nowMs += breaker.waitMs(nowMs)
      preferred.push(breaker.prefersFresh)
      fail(breaker, `entry-${i}`, nowMs)
    }
    expect(preferred).toEqual([false, true, false, true])
    succeed(breaker, nowMs)
    expect(breaker.prefersFresh).toBe(true)
    expect(new Breaker(halves).prefersFresh).toBe(false)
  })

  it('is not closed by look-ups: a service may answer those and fail every call', () => {
    const breaker = openedByIllness()
    const nowMs = breaker.waitMs(0)
    for (let i = 0; i < 50; i++) {
      breaker.begin()
      breaker.end('reachable', CALL, nowMs)
    }
    expect([breaker.isOpen, breaker.free(nowMs)]).toEqual([true, 1])
  })

  it('is closed by look-ups where it was opened by failures to connect', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 5; i++) {
      breaker.begin()
      breaker.end('unreachable', CALL, 0)
    }
    breaker.begin()
    breaker.end('reachable', CALL, breaker.waitMs(0))
    expect(breaker.isOpen).toBe(false)
  })

  it('takes failures of calls at the same time for one, in what it says of how long it lasts', () => {
    const breaker = new Breaker(halves)
    for (let i = 0; i < 30; i++) breaker.end('ill', { entryId: `entry-${i}`, begunAtMs: 0 }, 1_000)
    expect(breaker.failuresInARow).toBe(1)
    breaker.end('ill', { entryId: 'next', begunAtMs: 1_500 }, 2_000)
    expect(breaker.failuresInARow).toBe(2)
    succeed(breaker)
    expect(breaker.failuresInARow).toBe(0)
  })
})

describe('a service guard', () => {
  it('obeys no pause longer than an hour, and says so: a moment sent for a stretch must not stop a service', () => {
    const clock = standingClock()
    const tooLong: number[] = []
    const guard = new ServiceGuard(null, {
      ...{ clock, randomness: halves, onPauseTooLong: (askedMs: number) => tooLong.push(askedMs) },
    })
    guard.begin('entry').end({ service: 'not_now', retryAfterMs: LONGEST_PAUSE_MS })
    expect(tooLong).toEqual([])
    guard.begin('entry').end({ service: 'ill', retryAfterMs: 1_764_170_000_000 })
    expect(tooLong).toEqual([1_764_170_000_000])
    expect([guard.pausedForMs, guard.waitMs()]).toEqual([LONGEST_PAUSE_MS, LONGEST_PAUSE_MS])
  })

  it('probes a service that says when to come again exactly then, however often it says so', () => {
    const clock = standingClock()
    const guard = new ServiceGuard(null, { clock, randomness: halves })
    for (let i = 0; i < 5; i++) guard.begin(`entry-${i}`).end({ service: 'not_now', retryAfterMs: 3_000 })
    expect(guard.isIll).toBe(true)
    for (let i = 0; i < 20; i++) {
      expect([guard.waitMs(), guard.free()]).toEqual([3_000, 0])
      clock.nowMs += 3_000
      expect(guard.free()).toBe(1)
      guard.begin(`entry-${i}`).end({ service: 'not_now', retryAfterMs: 3_000 })
    }
  })

  it('holds everything back for as long as the service asked, and not a moment longer', () => {
    const clock = standingClock()
    const guard = new ServiceGuard(null, { clock, randomness: halves })
    guard.begin('entry').end({ service: 'well', retryAfterMs: 2_000 })
    guard.begin('entry').end({ service: 'well', retryAfterMs: 500 })
    expect([guard.free(), guard.waitMs()]).toEqual([0, 2_000])
    clock.nowMs += 2_000
    expect([guard.free(), guard.waitMs()]).toEqual([Number.POSITIVE_INFINITY, 0])
  })

  it('takes a permit back that was not used, and hears of its end once', () => {
    const clock = standingClock()
    const guard = new ServiceGuard({ calls: 1, perMs: 100 }, { clock, randomness: halves })
    guard.begin('entry').giveBack()
    expect(guard.free()).toBe(1)
    const permit = guard.begin('entry')
    permit.start()
    permit.end({ service: 'well', retryAfterMs: null })
    permit.giveBack()
    expect(guard.free()).toBe(0)
  })
})

describe('the guards of a process', () => {
  const ports = { clock: realClock, randomness: halves }

  it('are one for each service, whichever of its effects asks', () => {
    const guards = new Guards([], ports)
    const [a, b] = [
      { name: 'a', provider: { service: 'stripe' } },
      { name: 'b', provider: { service: 'stripe' } },
    ]
    expect(guards.of(a)).toBe(guards.of(b))
    expect(guards.of({ name: 'a', provider: {} })).not.toBe(guards.of(a))
  })

  it('refuse two limits for one service, and limits that make no sense', () => {
    const limited = (name: string, calls: number, per: number) => ({
      name,
      provider: { service: 'stripe', rateLimit: { calls, per } },
    })
    expect(() => new Guards([limited('a', 5, 100), limited('b', 6, 100)], ports)).toThrow(ConfigurationError)
    expect(() => new Guards([limited('a', 5, 100), limited('b', 5, 100)], ports)).not.toThrow()
    for (const calls of [0, 1.5, -1]) expect(() => new Guards([limited('a', calls, 100)], ports)).toThrow(/rate limit/)
    expect(() => new Guards([limited('a', 1, 0)], ports)).toThrow(/rate limit/)
  })
})
