import type { Entry } from '../../protocol/index.js'

/**
 * Whether `entry` has its turn: always, unless it is pending and has a `serializeKey`. Then none of its key may be
 * executing or in doubt, and none that is pending may have come before it. A new generation comes when it is asked for.
 *
 * @param entries all entries, in the order in which their generations were written: it decides within one millisecond.
 */
export function hasTurn(entry: Entry, entries: Iterable<Entry>): boolean {
  if (entry.serializeKey === null || entry.state !== 'pending') return true
  let isPast = false
  for (const other of entries) {
    if (other.id === entry.id) isPast = true
    else if (other.namespace === entry.namespace && other.serializeKey === entry.serializeKey) {
      if (other.state === 'executing' || other.state === 'in_doubt') return false
      const earlier = other.createdAtMs < entry.createdAtMs || (other.createdAtMs === entry.createdAtMs && !isPast)
      if (earlier && other.state === 'pending') return false
    }
  }
  return true
}

/** 1 for what nobody has begun yet, which comes after what somebody has. */
export function isFresh(entry: Entry): number {
  return entry.fence === 0 ? 1 : 0
}
