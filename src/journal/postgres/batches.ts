import type { Clock, Randomness } from '../../system/index.js'

interface Batch {
  readonly id: string
  /** How many of its entries have not come to an end that we know of. */
  left: number
  /** On our monotonic clock: the first of its leases is over, and whoever sweeps may take it. */
  readonly overAtMs: number
}

/**
 * The rows of `batches` that this journal writes: which of them stand for entries under way, and which may be written
 * over by the next batch. A row is written over only when each of its entries is known to have been written since, or
 * taken by another; one that is not known to be free is never touched again, and is swept when its leases are over.
 */
export class Batches {
  readonly #clock: Clock
  readonly #randomness: Randomness
  readonly #free: string[] = []
  readonly #underWay = new Map<string, Batch>()

  constructor(clock: Clock, randomness: Randomness) {
    this.#clock = clock
    this.#randomness = randomness
  }

  /** The id of a row that the next batch may write. */
  take(): string {
    this.#forgetOver()
    return this.#free.pop() ?? uuidOf(this.#randomness.token())
  }

  /** The batch stands for these entries from now on. */
  begun(batchId: string, entryIds: readonly string[], shortestLeaseMs: number): void {
    if (entryIds.length === 0) {
      this.#free.push(batchId)
      return
    }
    const batch = { id: batchId, left: entryIds.length, overAtMs: this.#clock.monotonicMs() + shortestLeaseMs }
    for (const id of entryIds) this.#underWay.set(id, batch)
  }

  /** The entry has been written since it was begun, or another has taken it: it is found without its batch. */
  ended(entryId: string): void {
    const batch = this.#underWay.get(entryId)
    if (batch === undefined) return
    this.#underWay.delete(entryId)
    batch.left--
    if (batch.left === 0) this.#free.push(batch.id)
  }

  /** Entries whose end we never learn, by a lost answer or a call that outlived its lease, must not pile up here. */
  #forgetOver(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [entryId, batch] of this.#underWay) {
      if (batch.overAtMs > nowMs) return
      // Its batch now never counts down to 0.
      this.#underWay.delete(entryId)
    }
  }
}

/** A token of 128 random bits as a UUID. */
export function uuidOf(token: string): string {
  const hex = Buffer.from(token, 'base64url').toString('hex').padEnd(32, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}
