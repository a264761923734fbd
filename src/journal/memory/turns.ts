import type { DueFirst, EffectTerms, Entry } from '../../protocol/index.js'

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

/** Those of `entries` that are of these effects and have a due time: what has been begun first, then the earliest. */
export function dueOf<Terms extends Pick<EffectTerms, 'namespace' | 'effect'>>(
  entries: Iterable<Entry>,
  effects: readonly Terms[],
  first: DueFirst = 'begun',
): { entry: Entry; terms: Terms }[] {
  const due: { entry: Entry; terms: Terms }[] = []
  for (const entry of entries) {
    const terms = effects.find((each) => each.namespace === entry.namespace && each.effect === entry.effect)
    if (terms !== undefined && entry.dueAtMs !== null) due.push({ entry, terms })
  }
  const freshLast = first === 'begun' ? 1 : -1
  return due.sort(
    (a, b) => freshLast * (isFresh(a.entry) - isFresh(b.entry)) || (a.entry.dueAtMs ?? 0) - (b.entry.dueAtMs ?? 0),
  )
}

/** 1 for what nobody has begun yet, which comes after what somebody has. */
function isFresh(entry: Entry): number {
  return entry.fence === 0 ? 1 : 0
}
