import { type Entry, type EvidenceWrite, enact, type JournalTime } from '../protocol/index.js'

/** The entry after evidence; null where it is no longer as it was seen, or somebody holds it. */
export function settledByEvidence(
  entry: Entry | undefined,
  { fence, state, change, forcedBy }: EvidenceWrite,
  nowMs: JournalTime,
): Entry | null {
  if (entry === undefined || entry.fence !== fence || entry.state !== state) return null
  if (entry.leaseUntilMs !== null && entry.leaseUntilMs > nowMs) return null
  return { ...enact(entry, change, nowMs), fence: fence + 1, forcedBy: forcedBy ?? entry.forcedBy }
}

/** The order in which a group is undone. */
export function lastExecutedFirst(one: Entry, other: Entry): number {
  const never = Number.NEGATIVE_INFINITY
  return (
    (other.firstSentAtMs ?? never) - (one.firstSentAtMs ?? never) ||
    other.createdAtMs - one.createdAtMs ||
    (one.id < other.id ? -1 : 1)
  )
}
