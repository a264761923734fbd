import type { Entry, Seen } from '../../../protocol/index.js'
import { dueOf, textOf } from './difference.js'

/**
 * Whether two entries of one `serializeKey` wait that came in one millisecond. The simulated clock shows no finer time:
 * the memory journal then goes by which was written first, and PostgreSQL, on whose own clock that would be two moments,
 * by their ids. Whose turn it is first is not decided there.
 */
export function hasTie(rows: ReadonlyMap<string, Entry>): boolean {
  const seen = new Set<string>()
  for (const { state, namespace, serializeKey, createdAtMs } of rows.values()) {
    if (state !== 'pending' || serializeKey === null) continue
    const place = JSON.stringify([namespace, serializeKey, createdAtMs])
    if (seen.has(place)) return true
    seen.add(place)
  }
  return false
}

/**
 * Whether both journals took as many entries, in the same way and each due at the same moment as one of the other's, and
 * not the same ones: of what is due at one moment and more than was asked for, any may come first.
 */
export function choseAmongEquals(memory: unknown, postgres: unknown, rows: ReadonlyMap<string, Entry>): boolean {
  const [one, other] = [memory as readonly Seen[], postgres as readonly Seen[]]
  const ofBoth = one.filter(({ entry }) => other.some((each) => each.entry.id === entry.id))
  if (ofBoth.length === one.length) return false
  const isSame = (seen: Seen): boolean => other.some((each) => textOf(each) === textOf(seen))
  return ofBoth.every(isSame) && waysOf(one, rows) === waysOf(other, rows)
}

/** How entries were taken, without which. */
function waysOf(taken: readonly Seen[], rows: ReadonlyMap<string, Entry>): string {
  const ways = taken.map(({ entry, nowMs }) => {
    const fences = entry.fence - (rows.get(entry.id)?.fence ?? 0)
    const { owner, leaseUntilMs, dueAtMs } = entry
    return textOf([dueOf(entry, rows), fences, owner, leaseUntilMs, dueAtMs, nowMs])
  })
  return textOf(ways.sort())
}
