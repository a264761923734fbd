import type { Clock } from '../../system/index.js'

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
  disarm: () => void
}

/**
 * The time of one stage. It stands still, so that a slow machine never makes a deadline pass; it jumps over waits, so
 * that a day takes no time; and it flows like the real one only while a call is to meet its deadline.
 */
export class StageClock implements Clock {
  readonly #real: Clock
  readonly #startedWallMs: number
  readonly #sleepers = new Set<Sleeper>()
  #elapsedMs = 0
  #flowingSinceMs: number | null = null
  #turns = 0

  constructor(real: Clock) {
    this.#real = real
    this.#startedWallMs = real.wallMs()
  }

  monotonicMs(): number {
    return this.#flowingSinceMs === null
      ? this.#elapsedMs
      : this.#elapsedMs + this.#real.monotonicMs() - this.#flowingSinceMs
  }

  wallMs(): number {
    return Math.floor(this.#startedWallMs + this.monotonicMs())
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted || delayMs <= 0) return resolve()
      const finish = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const cancel = this.schedule(delayMs, finish)
      const onAbort = (): void => {
        cancel()
        finish()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const sleeper: Sleeper = { atMs: this.monotonicMs() + delayMs, wake: callback, disarm: () => undefined }
    this.#sleepers.add(sleeper)
    if (this.#flowingSinceMs !== null) this.#arm(sleeper)
    return () => this.#remove(sleeper)
  }

  nextTurn(callback: () => void): void {
    this.#turns++
    this.#real.nextTurn(() => {
      this.#turns--
      callback()
    })
  }

  /** Whether somebody's next step is to come without any time passing. */
  get turning(): boolean {
    return this.#turns > 0
  }

  /** Milliseconds until the next waiter's time has come; null where nobody waits. */
  nextInMs(): number | null {
    if (this.#sleepers.size === 0) return null
    return Math.max(0, Math.min(...[...this.#sleepers].map(({ atMs }) => atMs)) - this.monotonicMs())
  }

  /** Lets `ms` pass at once: whoever's time has come then is woken, the earliest first. */
  jump(ms: number): void {
    this.freeze()
    this.#elapsedMs += ms
    const due = [...this.#sleepers].filter(({ atMs }) => atMs <= this.#elapsedMs)
    for (const sleeper of due.toSorted((a, b) => a.atMs - b.atMs)) this.#wake(sleeper)
  }

  /** From now on it goes like the real one. */
  flow(): void {
    if (this.#flowingSinceMs !== null) return
    this.#flowingSinceMs = this.#real.monotonicMs()
    for (const sleeper of this.#sleepers) this.#arm(sleeper)
  }

  /** From now on it stands still. */
  freeze(): void {
    this.#elapsedMs = this.monotonicMs()
    this.#flowingSinceMs = null
    for (const sleeper of this.#sleepers) sleeper.disarm()
  }

  #arm(sleeper: Sleeper): void {
    // A timer may fire a fraction early: then nobody may see a time before the sleeper's.
    sleeper.disarm = this.#real.schedule(Math.ceil(sleeper.atMs - this.monotonicMs()) + 1, () => this.#wake(sleeper))
  }

  #wake(sleeper: Sleeper): void {
    if (!this.#sleepers.has(sleeper)) return
    this.#remove(sleeper)
    sleeper.wake()
  }

  #remove(sleeper: Sleeper): void {
    sleeper.disarm()
    this.#sleepers.delete(sleeper)
  }
}
