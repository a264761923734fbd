import type { JsonValue } from './json-value.js'

/** Why something is as it is: a stable code for machines, a sentence for people. */
export interface Reason {
  readonly code: string
  readonly message: string
  readonly detail?: JsonValue
}

/** What one attempt is known to have done. */
export type Outcome =
  | { readonly kind: 'executed'; readonly receipt: JsonValue; readonly externalId: string | null }
  /**
   * Known not executed, final. `settlesDoubt`: the service says so of the *reference* (a stored answer under our key),
   * so that it also ends the doubt about earlier attempts; otherwise it speaks of this one call only.
   */
  | { readonly kind: 'rejected'; readonly reason: Reason; readonly settlesDoubt: boolean }
  /**
   * Known not executed, may be tried again, not sooner than `retryAfterMs` from now where the service asked for it.
   * `notNow`: it says so to everybody for a while (rate limited, in maintenance); default: where it asked for a time.
   */
  | {
      readonly kind: 'not_executed'
      readonly reason: Reason
      readonly retryAfterMs: number | null
      readonly notNow?: boolean
    }
  /**
   * It may have happened. `keySpent`: asking again with the same key only repeats this non-answer (a stored 500).
   * `serviceWell`: it is this call's own matter (another with its key is under way), and no sign of an outage.
   */
  | {
      readonly kind: 'unknown'
      readonly reason: Reason
      readonly keySpent: boolean
      readonly retryAfterMs?: number | null
      readonly serviceWell?: boolean
    }

/** What a look-up said. Three answers (P5), and a fourth where the service knows the reference as refused for good. */
export type FindResult =
  | { readonly kind: 'present'; readonly receipt: JsonValue; readonly externalId: string | null }
  | { readonly kind: 'absent' }
  | { readonly kind: 'rejected'; readonly reason: Reason }
  | { readonly kind: 'could_not_ask'; readonly reason: Reason }
