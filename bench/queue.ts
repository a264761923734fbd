/** Tells the callers of a queue, who share a process with its worker, that the worker has done their order. */
export class Arrivals {
  readonly #waiting = new Map<string, (() => void)[]>()
  readonly #arrived = new Set<string>()

  /** Resolves when the order is done; at once where it has been done before. */
  of(id: string): Promise<void> {
    if (this.#arrived.has(id)) return Promise.resolve()
    return new Promise((resolve) => {
      const others = this.#waiting.get(id)
      if (others === undefined) this.#waiting.set(id, [resolve])
      else others.push(resolve)
    })
  }

  arrived(id: string): void {
    this.#arrived.add(id)
    for (const resolve of this.#waiting.get(id) ?? []) resolve()
    this.#waiting.delete(id)
  }
}
