import type { Entry, ParkedEntries, ParkedPlace } from '../../protocol/index.js'
import { copy } from './copy.js'

export class MemoryParkedEntries implements ParkedEntries {
  readonly #entries: () => Iterable<Entry>

  /** `entries`: what the journal lends to it, all of them. */
  constructor(entries: () => Iterable<Entry>) {
    this.#entries = entries
  }

  async list(...[effects, limit, after]: Parameters<ParkedEntries['list']>): Promise<readonly Entry[]> {
    const isAsked = (entry: Entry): boolean =>
      effects.some(({ namespace, effect }) => namespace === entry.namespace && effect === entry.effect)
    return [...this.#entries()]
      .filter((entry) => entry.state === 'parked' && isAsked(entry))
      .filter((entry) => after === null || inOrder(after, entry) < 0)
      .sort(inOrder)
      .slice(0, limit)
      .map(copy)
  }
}

/** The longest parked first; of those that were parked at once, by their ids. */
function inOrder(one: ParkedPlace, other: ParkedPlace): number {
  if (one.updatedAtMs !== other.updatedAtMs) return one.updatedAtMs - other.updatedAtMs
  return one.id < other.id ? -1 : Number(one.id > other.id)
}
