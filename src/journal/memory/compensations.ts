import {
  admitCompensation,
  beginCompensating,
  type Compensation,
  type CompensationBegun,
  type CompensationEnd,
  type CompensationOrder,
  type CompensationStore,
  type Entry,
  endCompensating,
  nothingUndone,
  type UndoneOperation,
  type UndoneSoFar,
  whyNotCompensable,
  withEnded,
  withReserved,
} from '../../protocol/index.js'
import type { MemoryTransaction } from './transaction.js'

/** The entries, as compensations change them. */
export interface MemoryEntries {
  get(id: string): Entry | undefined
  put(entry: Entry): void
  /** Takes the entry's row until the end of the transaction, and waits, as a database does, while another has it. */
  take(id: string, tx: MemoryTransaction): Promise<void>
  nowMs(): number
}

/** Compensations in memory: the protocol's own functions over two maps. */
export class MemoryCompensations implements CompensationStore<MemoryTransaction> {
  readonly #entries: MemoryEntries
  readonly #compensations = new Map<string, Compensation>()
  readonly #undone = new Map<string, UndoneSoFar>()
  /** Who has the account of an operation until the end of its transaction. */
  readonly #taken = new Map<string, MemoryTransaction>()

  constructor(entries: MemoryEntries) {
    this.#entries = entries
  }

  async begin(tx: MemoryTransaction, order: CompensationOrder): Promise<CompensationBegun> {
    const name = await this.#take(tx, order)
    const earlier = this.#compensations.get(order.undoId)
    if (earlier !== undefined) return { begun: false, earlier }
    if (order.entryId !== null) await this.#entries.take(order.entryId, tx)
    const entry = order.entryId === null ? null : (this.#entries.get(order.entryId) ?? null)
    const problem = order.entryId === null ? null : whyNotCompensable(entry, order.externalId)
    if (problem !== null) return { begun: false, earlier: null, reason: problem }
    const sofar = this.#undone.get(name) ?? nothingUndone(order.total)
    const known = { ...sofar, total: sofar.total ?? order.total }
    const admission = admitCompensation(order, known)
    if (!admission.admitted) return { begun: false, earlier: null, reason: admission.reason }
    const { undoId, entryId, namespace, effect, externalId, findingId } = order
    const { minorUnits, whole } = admission
    const nowMs = this.#entries.nowMs()
    tx.onCommit(() => {
      this.#undone.set(name, withReserved(known, admission))
      const operation = { namespace, effect, externalId }
      this.#compensations.set(undoId, { undoId, entryId, ...operation, minorUnits, whole, state: 'running', findingId })
      this.#change(entryId, (standing) => beginCompensating(standing, nowMs))
    })
    return { begun: true, minorUnits }
  }

  async end(tx: MemoryTransaction, undoId: string, end: CompensationEnd): Promise<void> {
    const asked = this.#compensations.get(undoId)
    if (asked?.state !== 'running') return
    const name = await this.#take(tx, asked)
    // As it stands once all others are done with it.
    const running = this.#compensations.get(undoId)
    if (running?.state !== 'running') return
    if (running.entryId !== null) await this.#entries.take(running.entryId, tx)
    const nowMs = this.#entries.nowMs()
    const sofar = this.#undone.get(name) ?? nothingUndone(null)
    tx.onCommit(() => {
      const after = withEnded(sofar, { ...running, undone: end.undone })
      this.#undone.set(name, after)
      this.#compensations.set(undoId, { ...running, state: end.undone ? 'undone' : 'rejected' })
      const refusal = end.undone ? null : end.reason
      this.#change(running.entryId, (entry) => endCompensating(entry, after, refusal, nowMs))
    })
  }

  async read(undoId: string): Promise<Compensation | null> {
    return this.#compensations.get(undoId) ?? null
  }

  async undoneOf(operation: UndoneOperation): Promise<UndoneSoFar | null> {
    return this.#undone.get(nameOf(operation)) ?? null
  }

  /** Whether this undoing is of an entry that exists. */
  isOfExisting(undoId: string): boolean {
    const entryId = this.#compensations.get(undoId)?.entryId ?? null
    return entryId !== null && this.#entries.get(entryId) !== undefined
  }

  /** For a simulator that tells states of the world apart. */
  known(): readonly unknown[] {
    return [[...this.#compensations], [...this.#undone]]
  }

  #change(entryId: string | null, change: (entry: Entry) => Entry): void {
    const entry = entryId === null ? undefined : this.#entries.get(entryId)
    if (entry !== undefined) this.#entries.put(change(entry))
  }

  /** Waits, as a database does, until no other open transaction has the operation's account. */
  async #take(tx: MemoryTransaction, operation: UndoneOperation): Promise<string> {
    const name = nameOf(operation)
    for (;;) {
      const holder = this.#taken.get(name)
      if (holder === undefined || holder === tx || !holder.isOpen) break
      await holder.ended
    }
    tx.assertOpen()
    this.#taken.set(name, tx)
    return name
  }
}

function nameOf({ namespace, effect, externalId }: UndoneOperation): string {
  return JSON.stringify([namespace, effect, externalId])
}
