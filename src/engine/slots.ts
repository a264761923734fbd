/**
 * A bound on how much is under way at once, first come, first served. Work waits *before* it asks for a lease, so that a
 * crowd of callers costs patience and not leases that run out in a queue.
 */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** `place`: among those that wait. */
  async use<T>(work: () => Promise<T>, place: 'first' | 'last' = 'last'): Promise<T> {
    if (!this.takeIfFree()) await this.take(place)
    try {
      return await work()
    } finally {
      this.give()
    }
  }

  /** Takes a free slot, if there is one: whoever gets it gives it back. */
  takeIfFree(): boolean {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  /** Resolves with a slot, which the caller gives back. */
  take(place: 'first' | 'last' = 'last'): Promise<void> {
    if (this.takeIfFree()) return Promise.resolve()
    return new Promise((resolve) => {
      if (place === 'first') this.#waiting.unshift(resolve)
      else this.#waiting.push(resolve)
    })
  }

  // Handed over, not freed: a newcomer cannot slip in between.
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
