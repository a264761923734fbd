import type { DeadSettlements, Entry, JournalTime } from '../../protocol/index.js'
import { retrySettlement } from '../settlement.js'
import { copy } from './copy.js'

/** What the journal lends to it. */
interface Entries {
  readonly all: () => Iterable<Entry>
  readonly get: (id: string) => Entry | undefined
  readonly put: (entry: Entry) => Entry
  readonly nowMs: () => JournalTime
}

export class MemoryDeadSettlements implements DeadSettlements {
  readonly #entries: Entries

  constructor(entries: Entries) {
    this.#entries = entries
  }

  async list(...[effects, limit]: Parameters<DeadSettlements['list']>): Promise<readonly Entry[]> {
    const isAsked = (entry: Entry): boolean =>
      effects.some(({ namespace, effect }) => namespace === entry.namespace && effect === entry.effect)
    return [...this.#entries.all()]
      .filter((entry) => entry.settlement === 'dead' && isAsked(entry))
      .sort((one, other) => one.createdAtMs - other.createdAtMs)
      .slice(0, limit)
      .map(copy)
  }

  async retry(id: string): Promise<boolean> {
    const entry = this.#entries.get(id)
    if (entry?.settlement !== 'dead') return false
    this.#entries.put(retrySettlement(entry, this.#entries.nowMs()))
    return true
  }
}
