import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../system/index.js'

interface Timer {
  readonly atMs: number
  readonly ring: () => void
}

/** Turns of the event loop after which an engine on a journal in memory has done whatever it could without waiting. */
const TURNS = 3

/** A clock whose time passes only when nobody has anything left to do: an outage of hours takes no time. */
export class VirtualClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<Timer>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_764_000_000_000 + this.#nowMs
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = (): void => {
        cancel()
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const cancel = this.schedule(delayMs, wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), ring: callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  nextTurn(callback: () => void): void {
    queueMicrotask(callback)
  }

  /** Lets time pass, from one timer to the next, for so long. */
  async pass(forMs: number): Promise<void> {
    await this.passUntil(() => false, forMs)
  }

  /** Lets time pass until `done`; false: it was not within `mostMs`. */
  async passUntil(done: () => boolean, mostMs: number): Promise<boolean> {
    const endMs = this.#nowMs + mostMs
    for (;;) {
      for (let turn = 0; turn < TURNS; turn++) await setImmediate()
      if (done()) return true
      const next = this.#next()
      if (next === null || next.atMs > endMs) {
        this.#nowMs = endMs
        return false
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#timers.delete(next)
      next.ring()
    }
  }

  #next(): Timer | null {
    let next: Timer | null = null
    for (const timer of this.#timers) if (next === null || timer.atMs < next.atMs) next = timer
    return next
  }
}
