import type { Entry, JournalTime } from './entry.js'

/** Which entries a walk is about, and from which age on they become compact, and are purged. Ages count from their last change. */
export interface RetentionTerms {
  readonly namespace: string
  readonly effects: readonly string[]
  /** Null: never. */
  readonly compactAfterMs: number | null
  /** Null: never. */
  readonly purgeAfterMs: number | null
}

/** What one step of a walk came to. */
export interface RetentionStep {
  readonly compacted: number
  readonly purged: number
  /** Where the next step goes on; null: the walk has been all around. */
  readonly next: string | null
}

/**
 * Where old entries become compact, and in the end are purged. Whoever lets it happen walks once around the journal, in
 * steps that are small enough for nobody to feel one; what a walk passes over (somebody has it, it was moved), the next
 * one finds. A place means something to its journal alone, and only during its walk. Several may walk at once.
 */
export interface RetentionStore {
  /**
   * Begins a walk; null: there is nothing to walk over.
   *
   * @param share how far into the journal it begins, in [0, 1): drawn anew for each walk, so that those which are broken
   * off early, again and again, leave no part of it unseen.
   */
  begin(share: number): Promise<string | null>

  /**
   * Looks at the entries from `place` on. Those of the terms that are finished ({@link isFinished}) and old enough by the
   * journal's clock become compact ({@link compacted}) or are purged, with their former generations. The entry of an
   * undoing is not purged while the entry that it undid exists, so that who asks for the same again joins what stands.
   * What is kept beside entries of compensations is never touched. Waits for nobody who has an entry.
   */
  step(terms: RetentionTerms, place: string): Promise<RetentionStep>
}

/**
 * Whether an entry has come to its end: its outcome is known, its consequences are done, and nobody has it or has to look
 * at it. What is parked is not finished, nor one whose `settled` handler has not run or was laid aside as dead: these need
 * a person, who needs the input.
 */
export function isFinished(entry: Entry): boolean {
  if (entry.state !== 'succeeded' && entry.state !== 'failed' && entry.state !== 'compensated') return false
  const isSettled = entry.settlement === 'none' || entry.settlement === 'done'
  return isSettled && entry.leaseUntilMs === null && entry.dueAtMs === null
}

/** Whether an entry was last changed so long ago; null: it never is. */
export function isOlderThan(entry: Entry, ageMs: number | null, nowMs: JournalTime): boolean {
  return ageMs !== null && entry.updatedAtMs <= nowMs - ageMs
}

/**
 * The entry in compact form: what it was called with and what the service returned are let go; its identity, outcome and
 * external id stay, and so does the time of its last change, from which its age goes on.
 */
export function compacted(entry: Entry): Entry {
  return { ...entry, input: null, receipt: null, isCompact: true }
}
