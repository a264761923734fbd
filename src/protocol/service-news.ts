import type { Outcome } from './outcome.js'

/**
 * What the end of one call tells of its service, whatever became of the effect.
 *
 * `well`: it answered as only a service that works does: it did it, refused it, or said what is wrong with this one.
 * `reachable`: it answered a question, which says nothing of its calls. `not_now`: it told us to come later (rate
 * limited, in maintenance). `ill`: a 5xx, a timeout, a reset: an outcome that nobody knows. `unreachable`: no connection
 * to it stood.
 */
export type ServiceNews = 'well' | 'reachable' | 'not_now' | 'ill' | 'unreachable'

/** What `outcome` tells of the service; null: nothing. `isUnreachable`: no connection to it stood. */
export function newsOf(outcome: Outcome, isUnreachable: boolean): ServiceNews | null {
  switch (outcome.kind) {
    case 'executed':
    case 'rejected':
      return 'well'
    case 'not_executed':
      if (isUnreachable) return 'unreachable'
      // Not `well`: a provider may say so of a 503, and of a mistake of our own that reached nobody.
      return outcome.notNow === true || outcome.retryAfterMs !== null ? 'not_now' : null
    case 'unknown':
      if (outcome.serviceWell === true) return 'well'
      return outcome.retryAfterMs === undefined || outcome.retryAfterMs === null ? 'ill' : 'not_now'
  }
}

/**
 * Whether a call, or a look-up that failed, counts against its entry's patience: not where nothing was learned of this
 * entry, because the service could not be reached, told everybody to wait, or was known to be ill by what befell others.
 */
export function countsAgainstEntry(news: ServiceNews | null, isKnownIll: boolean): boolean {
  if (news === 'unreachable' || news === 'not_now') return false
  return !(news === 'ill' && isKnownIll)
}
