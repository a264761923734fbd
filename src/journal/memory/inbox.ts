import type { Failing, InboxMessage, InboxStore, JournalTime, JsonValue, Reason, Taken } from '../../protocol/index.js'
import type { Clock } from '../../system/index.js'
import type { MemoryTransaction } from './transaction.js'

interface Kept {
  readonly expiresAtMs: JournalTime
  readonly begun: number
  readonly reason: Reason | null
  /** Null: not received so far. */
  readonly receivedAtMs: JournalTime | null
  readonly result: JsonValue | undefined
}

/** The inbox in memory: a map, and who has taken which message until the end of its transaction. */
export class MemoryInbox implements InboxStore<MemoryTransaction> {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  readonly #taken = new Map<string, { readonly tx: MemoryTransaction; row: Kept }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async take(tx: MemoryTransaction, message: InboxMessage): Promise<Taken> {
    // Looked at last without a wait: of two who come at once, the second must not take what the first has not committed.
    for (let holder = this.#holder(message.id, tx); holder !== null; holder = this.#holder(message.id, tx)) {
      await tx.waitFor(holder, `message ${message.id}`)
    }
    tx.assertOpen()
    const kept = this.#taken.get(message.id)?.row ?? this.#kept.get(message.id)
    if (kept !== undefined && kept.receivedAtMs !== null) {
      return { first: false, receivedAtMs: kept.receivedAtMs, result: kept.result }
    }
    const receivedAtMs = this.#clock.wallMs()
    const row = {
      ...(kept ?? this.#unreceived(message)),
      receivedAtMs,
      expiresAtMs: receivedAtMs + message.retentionMs,
    }
    const taken = { tx, row }
    this.#taken.set(message.id, taken)
    void tx.ended.then(() => {
      if (this.#taken.get(message.id) === taken) this.#taken.delete(message.id)
    })
    tx.onCommit(() => this.#kept.set(message.id, taken.row))
    return { first: true }
  }

  async decide(tx: MemoryTransaction, id: string, result: JsonValue): Promise<void> {
    tx.assertOpen()
    const taken = this.#taken.get(id)
    if (taken?.tx === tx) taken.row = { ...taken.row, result: structuredClone(result) }
  }

  async countRedelivery(message: InboxMessage): Promise<Failing | null> {
    return this.#unlessReceived(message, (kept) => ({ ...kept, begun: kept.begun + 1 }))
  }

  async noteFailure(
    message: InboxMessage,
    { reason, redelivered }: { readonly reason: Reason; readonly redelivered: boolean },
  ): Promise<Failing | null> {
    return this.#unlessReceived(message, (kept) => ({
      ...kept,
      begun: redelivered ? Math.max(1, kept.begun) : 1,
      reason,
    }))
  }

  async #unlessReceived(message: InboxMessage, change: (kept: Kept) => Kept): Promise<Failing | null> {
    for (let holder = this.#holder(message.id); holder !== null; holder = this.#holder(message.id)) await holder.ended
    const kept = this.#kept.get(message.id) ?? this.#unreceived(message)
    if (kept.receivedAtMs !== null) return null
    const after = { ...change(kept), expiresAtMs: this.#clock.wallMs() + message.retentionMs }
    this.#kept.set(message.id, after)
    return { begun: after.begun, reason: after.reason }
  }

  async purge(limit: number): Promise<number> {
    const nowMs = this.#clock.wallMs()
    let count = 0
    for (const [id, { expiresAtMs }] of this.#kept) {
      if (count === limit) break
      if (expiresAtMs > nowMs || this.#taken.has(id)) continue
      this.#kept.delete(id)
      count++
    }
    return count
  }

  /** For a simulator that tells states of the world apart. */
  known(): readonly unknown[] {
    return [...this.#kept]
  }

  #unreceived({ retentionMs }: InboxMessage): Kept {
    const expiresAtMs = this.#clock.wallMs() + retentionMs
    return { expiresAtMs, begun: 0, reason: null, receivedAtMs: null, result: undefined }
  }

  /** The transaction that has taken it, if that is another one. */
  #holder(id: string, tx?: MemoryTransaction): MemoryTransaction | null {
    const holder = this.#taken.get(id)?.tx
    return holder === undefined || holder === tx ? null : holder
  }
}
