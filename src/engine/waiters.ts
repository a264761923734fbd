import type { Entry, Journal, Seen } from '../protocol/index.js'
import type { Clock } from '../system/index.js'
import { tell } from './context.js'

interface Waiter {
  readonly entry: Entry
  readonly resolve: (seen: Seen | null) => void
}

const FIRST_POLL_MS = 5
const LONGEST_POLL_MS = 250

/**
 * Waits for entries that somebody else holds. All waiters of a process share one read per round; the journal's wake-ups
 * come on top, so that a lost one (or a pooler that swallows LISTEN) costs time only.
 */
export class Waiters<Tx> {
  readonly #journal: Journal<Tx>
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #waiting = new Map<string, Set<Waiter>>()
  #unsubscribe: (() => void) | null = null
  #polling = false
  #wake = new AbortController()

  constructor(journal: Journal<Tx>, clock: Clock, onError: (error: unknown) => void) {
    this.#journal = journal
    this.#clock = clock
    this.#onError = onError
  }

  /** The entry once it differs from `entry`, or null after `delayMs` or as soon as `signal` aborts. */
  next(entry: Entry, delayMs: number, signal: AbortSignal | undefined): Promise<Seen | null> {
    return new Promise((resolve) => {
      const over = new AbortController()
      const giveUp = (): void => waiter.resolve(null)
      const waiter: Waiter = {
        entry,
        resolve: (seen) => {
          over.abort()
          signal?.removeEventListener('abort', giveUp)
          this.#remove(entry.id, waiter)
          resolve(seen)
        },
      }
      if (signal?.aborted) return resolve(null)
      signal?.addEventListener('abort', giveUp)
      const others = this.#waiting.get(entry.id)
      if (others === undefined) this.#waiting.set(entry.id, new Set([waiter]))
      else others.add(waiter)
      void this.#clock.sleep(delayMs, over.signal).then(() => {
        if (!over.signal.aborted) waiter.resolve(null)
      })
      this.#start()
    })
  }

  /** What this process itself has just learned of an entry. */
  announce(seen: Seen): void {
    const waiters = this.#waiting.get(seen.entry.id)
    if (waiters === undefined) return
    for (const waiter of [...waiters]) {
      if (differs(waiter.entry, seen.entry)) waiter.resolve(seen)
    }
  }

  /** Stops hearing wake-ups. Waiters still get their answer by polling. */
  close(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = null
  }

  #start(): void {
    if (this.#polling) return
    this.#polling = true
    this.#unsubscribe ??= this.#journal.subscribe((id) => {
      if (this.#waiting.has(id)) this.#wake.abort()
    })
    void this.#poll()
  }

  async #poll(): Promise<void> {
    let intervalMs = FIRST_POLL_MS
    while (this.#waiting.size > 0) {
      await this.#clock.sleep(intervalMs, this.#wake.signal)
      if (this.#wake.signal.aborted) {
        this.#wake = new AbortController()
        intervalMs = FIRST_POLL_MS
      }
      const learned = await this.#look()
      intervalMs = learned ? FIRST_POLL_MS : Math.min(LONGEST_POLL_MS, intervalMs * 1.5)
    }
    this.#polling = false
  }

  async #look(): Promise<boolean> {
    const before = this.#waiting.size
    try {
      const all = await this.#journal.await([...this.#waiting.keys()])
      for (const seen of all) if (seen !== null) this.announce(seen)
    } catch (error) {
      tell(() => this.#onError(error))
    }
    return this.#waiting.size < before
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiting.delete(id)
  }
}

function differs(before: Entry, after: Entry): boolean {
  return (
    before.state !== after.state ||
    before.fence !== after.fence ||
    before.generation !== after.generation ||
    before.dueAtMs !== after.dueAtMs
  )
}
