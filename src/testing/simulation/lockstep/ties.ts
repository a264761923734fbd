import type { Entry } from '../../../protocol/index.js'

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
