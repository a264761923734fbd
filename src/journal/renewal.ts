import { begin, type ClaimTerms, type Entry, type Intent, isRenewable, type JournalTime } from '../protocol/index.js'

/** Whether `intent` may begin the generation after `entry` (P6). */
export function mayRenew(entry: Entry, intent: Intent): boolean {
  return isRenewable(entry) && intent.generation === entry.generation + 1
}

/**
 * The entry in its next generation, claimed for its first call. The fence goes on from the old generation's: a holder
 * of that one must not pass for a holder of this one (P2).
 */
export function renewed(entry: Entry, intent: Intent, terms: ClaimTerms, nowMs: JournalTime): Entry {
  return { ...begin(intent, terms, nowMs), fence: entry.fence + 1 }
}
