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
    await this.#take(place)
    try {
      return await work()
    } finally {
      this.#give()
    }
  }

  async #take(place: 'first' | 'last'): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve) => {
      if (place === 'first') this.#waiting.unshift(resolve)
      else this.#waiting.push(resolve)
    })
  }

  // Handed over, not freed: a newcomer cannot slip in between.
  #give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
