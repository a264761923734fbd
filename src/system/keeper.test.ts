import { expect, test } from 'vitest'
import type { Clock } from './clock.js'
import { inBatches, Keeper } from './keeper.js'
import { realClock, realRandomness } from './real.js'

test('a keeper that is stopped waits for its work, which its signal tells to end, and does none again', async () => {
  let begin: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const log: string[] = []
  const keeper = new Keeper(
    async (signal) => {
      begin()
      await realClock.sleep(3_600_000, signal)
      log.push('ended')
    },
    { intervalMs: 1, clock: realClock, randomness: realRandomness, onError: (error) => log.push(String(error)) },
  )
  await begun
  await keeper.stop()
  expect(log).toEqual(['ended'])
})

test('batches have pauses as long as they took, and end between two when they are told to', async () => {
  let nowMs = 0
  const slept: number[] = []
  const clock: Clock = {
    ...realClock,
    monotonicMs: () => nowMs,
    sleep: async (delayMs) => {
      slept.push(delayMs)
    },
  }
  let left = 3
  const batch = async (): Promise<'more' | 'done'> => {
    nowMs += 10 * left
    return --left > 0 ? 'more' : 'done'
  }
  await inBatches(batch, { clock })
  expect(slept).toEqual([30, 20])
  const stop = new AbortController()
  let count = 0
  const stopping = async (): Promise<'more' | 'done'> => {
    if (++count === 2) stop.abort()
    return 'more'
  }
  await inBatches(stopping, { clock, signal: stop.signal })
  expect(count).toBe(2)
})
