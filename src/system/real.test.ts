import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { realClock } from './real.js'

test('however many sleep on one signal, it has one listener, and its abort wakes them all', async () => {
  const stop = new AbortController()
  const sleeping = Array.from({ length: 100 }, () => realClock.sleep(3_600_000, stop.signal))
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
  stop.abort()
  await Promise.all(sleeping)
})

test('a sleep on a signal ends by its time, and the next one on it can still be woken', async () => {
  const stop = new AbortController()
  await realClock.sleep(1, stop.signal)
  const sleeping = realClock.sleep(3_600_000, stop.signal)
  stop.abort()
  await sleeping
  await realClock.sleep(3_600_000, stop.signal)
})
