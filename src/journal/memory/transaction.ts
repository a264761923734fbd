import { ConfigurationError, JournalError } from '../../protocol/index.js'

/**
 * A transaction on the memory journal: what is staged in it happens all together when it commits, and not at all
 * otherwise. Users of a simulation stage their own writes with `onCommit`.
 */
export class MemoryTransaction {
  readonly #staged: (() => void)[] = []
  #state: 'open' | 'committed' | 'rolled_back' = 'open'
  #over: () => void = () => undefined
  /** Resolves when the transaction has ended, either way. */
  readonly ended: Promise<void>
  /** The transaction that this one waits for, as a lock in a database would have it. */
  #waitsFor: MemoryTransaction | null = null

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#over = resolve
    })
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /**
   * Stages a write.
   *
   * @throws {ConfigurationError} after the transaction has ended.
   */
  onCommit(write: () => void): void {
    this.assertOpen()
    this.#staged.push(write)
  }

  /**
   * Waits until `holder` has ended, as for a lock in a database.
   *
   * @throws {JournalError} when that waits for this one, or this one was undone meanwhile: its connection was lost.
   */
  async waitFor(holder: MemoryTransaction, what: string): Promise<void> {
    for (let next: MemoryTransaction | null = holder; next !== null; next = next.#waitsFor) {
      if (next === this)
        throw new JournalError(`Deadlock between two transactions over ${what}. Roll back and try again.`)
    }
    this.#waitsFor = holder
    await holder.ended
    this.#waitsFor = null
    if (!this.isOpen) throw new JournalError(`The transaction was undone while it waited for ${what}. Try it again.`)
  }

  /** Makes everything staged true, in the order of staging and without a pause between. */
  commit(): void {
    this.assertOpen()
    for (const write of this.#staged) write()
    this.#end('committed')
  }

  /** Forgets everything staged. Does nothing to a transaction that has ended. */
  rollback(): void {
    if (this.isOpen) this.#end('rolled_back')
  }

  /** @throws {ConfigurationError} after the transaction has ended. */
  assertOpen(): void {
    if (!this.isOpen) {
      throw new ConfigurationError(
        `This transaction is ${this.#state}, so nothing more can be written in it. Nothing was written. Await every write inside it.`,
      )
    }
  }

  #end(state: 'committed' | 'rolled_back'): void {
    this.#state = state
    this.#over()
  }
}
