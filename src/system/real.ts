import { randomBytes } from 'node:crypto'
import type { Clock, Randomness } from './clock.js'

/** setTimeout fires at once for a larger delay (its delay is a signed 32-bit integer). */
const LONGEST_TIMER_MS = 2_147_483_647

const NOTHING = (): void => undefined

/** Who is to be woken when a signal aborts. */
const sleepers = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `wake` when `signal` aborts; the returned function calls that off. However many wait for one signal, it has one
 * listener: Node takes more than ten for a leak, and says so on the user's console.
 */
function onAbort(signal: AbortSignal, wake: () => void): () => void {
  const waiting = sleepers.get(signal) ?? listenOnce(signal)
  waiting.add(wake)
  return () => waiting.delete(wake)
}

function listenOnce(signal: AbortSignal): Set<() => void> {
  const waiting = new Set<() => void>()
  sleepers.set(signal, waiting)
  const wakeAll = (): void => {
    for (const wake of [...waiting]) wake()
  }
  signal.addEventListener('abort', wakeAll, { once: true })
  return waiting
}

/** The machine's own clock and timers. */
export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const finish = (): void => {
        clearTimeout(timer)
        noLongerOnAbort()
        resolve()
      }
      const timer = setTimeout(finish, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS))
      const noLongerOnAbort = signal === undefined ? NOTHING : onAbort(signal, finish)
    }),
  schedule: (delayMs, callback, keepAlive) => {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS))
    if (keepAlive === undefined) timer.unref()
    return () => clearTimeout(timer)
  },
  nextTurn: (callback) => {
    setImmediate(callback)
  },
}

/** The machine's own randomness. */
export const realRandomness: Randomness = {
  next: () => Math.random(),
  token: () => randomBytes(16).toString('base64url'),
}
