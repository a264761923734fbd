import {
  compacted,
  type Entry,
  isFinished,
  isOlderThan,
  type RetentionStep,
  type RetentionStore,
  type RetentionTerms,
} from '../../protocol/index.js'

/** What ages: the entries, and their former generations. */
export interface AgingEntries {
  readonly entries: Map<string, Entry>
  readonly history: Map<string, Entry[]>
  isLocked(id: string): boolean
  /** Whether it is the entry of an undoing, of an entry that still exists. */
  isUndoingOfExisting(id: string): boolean
  nowMs(): number
}

/** Retention in memory. A walk is one step: nobody waits for a map. */
export class MemoryRetention implements RetentionStore {
  readonly #aging: AgingEntries

  constructor(aging: AgingEntries) {
    this.#aging = aging
  }

  async begin(): Promise<string | null> {
    return this.#aging.entries.size === 0 ? null : 'all'
  }

  async step({ namespace, effects, compactAfterMs, purgeAfterMs }: RetentionTerms): Promise<RetentionStep> {
    const { entries, history } = this.#aging
    const nowMs = this.#aging.nowMs()
    const finished = [...entries.values()].filter(
      (entry) =>
        entry.namespace === namespace &&
        effects.includes(entry.effect) &&
        isFinished(entry) &&
        !this.#aging.isLocked(entry.id),
    )
    // Decided before any is gone, as in one statement: of an undone entry and its undoing, only the first goes.
    const over = finished.filter(
      (entry) => isOlderThan(entry, purgeAfterMs, nowMs) && !this.#aging.isUndoingOfExisting(entry.id),
    )
    for (const { id } of over) {
      entries.delete(id)
      history.delete(id)
    }
    const old = finished.filter(
      (entry) => entries.has(entry.id) && !entry.isCompact && isOlderThan(entry, compactAfterMs, nowMs),
    )
    for (const entry of old) {
      // In its place in the map, which says in which order entries were written.
      entries.set(entry.id, compacted(entry))
      const earlier = history.get(entry.id)
      if (earlier !== undefined) history.set(entry.id, earlier.map(compacted))
    }
    return { compacted: old.length, purged: over.length, next: null }
  }
}
