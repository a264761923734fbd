import type { MemoryTransaction } from './transaction.js'

/** Entries that an open transaction has made, is settling, or has begun or ended to undo: others wait for its end. */
export class Locks {
  readonly #held = new Map<string, MemoryTransaction>()

  has(id: string): boolean {
    return this.#held.has(id)
  }

  /** Resolves when whoever has it now has ended. */
  async ended(id: string): Promise<void> {
    await this.#held.get(id)?.ended
  }

  /** The transaction has the entry until it ends. */
  lock(id: string, tx: MemoryTransaction): void {
    this.#held.set(id, tx)
    void tx.ended.then(() => {
      if (this.#held.get(id) === tx) this.#held.delete(id)
    })
  }

  /** Takes an entry until the end of the transaction, once no other has it. */
  async take(id: string, tx: MemoryTransaction): Promise<void> {
    for (;;) {
      const holder = this.#held.get(id)
      if (holder === undefined || holder === tx) break
      await tx.waitFor(holder, `entry ${id}`)
    }
    tx.assertOpen()
    this.lock(id, tx)
  }

  /** Waits until no other open transaction has it, or `isThere`. */
  async untilFree(id: string, tx: MemoryTransaction | null, isThere: () => boolean): Promise<void> {
    for (;;) {
      const holder = this.#held.get(id)
      if (holder === undefined || holder === tx || isThere()) return
      await (tx === null ? holder.ended : tx.waitFor(holder, `entry ${id}`))
    }
  }
}
