import { randomBytes } from 'node:crypto'
import type { Clock, Randomness } from './clock.js'

/** setTimeout fires at once for a larger delay (its delay is a signed 32-bit integer). */
const LONGEST_TIMER_MS = 2_147_483_647

/** The machine's own clock and timers. */
export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const finish = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', finish)
        resolve()
      }
      const timer = setTimeout(finish, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS))
      signal?.addEventListener('abort', finish, { once: true })
    }),
  schedule: (delayMs, callback, keepAlive) => {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS))
    if (keepAlive === undefined) timer.unref()
    return () => clearTimeout(timer)
  },
}

/** The machine's own randomness. */
export const realRandomness: Randomness = {
  next: () => Math.random(),
  token: () => randomBytes(16).toString('base64url'),
}
