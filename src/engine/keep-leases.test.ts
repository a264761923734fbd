import { expect, it } from 'vitest'
import { MemoryLease } from '../lease/memory.js'
import type { LeaseService } from '../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../system/index.js'
import { keepLeases } from './keep-leases.js'

it('goes through all leases every hour, in batches, and from the first again', async () => {
  const asked: [number, string | null][] = []
  let enough: () => void = () => undefined
  const seen = new Promise<void>((resolve) => {
    enough = resolve
  })
  const lease: LeaseService = Object.assign(new MemoryLease(realClock), {
    purge: async (limit: number, after: string | null) => {
      asked.push([limit, after])
      if (asked.length === 4) enough()
      return { purged: 1, next: after === null ? 'key-500' : null }
    },
  })
  const hours: number[] = []
  const clock: Clock = {
    ...realClock,
    sleep: (delayMs, signal) => {
      if (delayMs > 60_000) hours.push(delayMs)
      return realClock.sleep(1, signal)
    },
  }
  const keeper = keepLeases(lease, { clock, randomness: realRandomness, onError: () => undefined })
  await seen
  await keeper?.stop()
  expect(asked.slice(0, 4)).toEqual([
    [500, null],
    [500, 'key-500'],
    [500, null],
    [500, 'key-500'],
  ])
  expect(hours.every((delayMs) => delayMs >= 1_800_000 && delayMs <= 3_600_000)).toBe(true)
})

it('leaves a lease service alone that forgets by itself', () => {
  expect(keepLeases(new MemoryLease(realClock), { clock: realClock, randomness: realRandomness, onError })).toBeNull()
})

function onError(): void {}
