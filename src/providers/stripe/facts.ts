import type { Duration, IdempotencyKeyPromise, RateLimit } from '../../protocol/index.js'

/** What Stripe promises, as data. */
export interface StripeFacts {
  /** How long a key is honoured; null: not at all (of a stand-in that ignores the header). */
  readonly idempotencyKey: IdempotencyKeyPromise | null
  /** How long after the end of a call its payment intent may still come to be in the list. */
  readonly settlesWithin: Duration
  /** How far Stripe's clock and the journal's may be apart. */
  readonly clockSkew: Duration
}

/** The facts of Stripe's API v1, each with its source. */
export const STRIPE_FACTS: StripeFacts = {
  // "You can remove keys from the system automatically after they're at least 24 hours old. We generate a new request
  // if a key is reused after the original is pruned." https://docs.stripe.com/api/idempotent_requests
  // The margin is ours: clocks differ, and a window counted from the arrival may begin later than ours, never earlier.
  idempotencyKey: { window: '24h', margin: '1h' },
  // Stripe publishes no figure, so this is a bound that we chose. Lists do not lag (only search does:
  // https://docs.stripe.com/search#data-freshness); what can be late is the request itself, which may go on at Stripe
  // after our connection is gone. The SDK gives a request 80 s by default (stripe-node, DEFAULT_TIMEOUT); this is more
  // than three times that.
  settlesWithin: '5m',
  // Ours: hosts that keep time by NTP are within a second. Stripe's own SDK refuses webhooks that are 300 s off
  // (stripe-node, Webhooks.DEFAULT_TOLERANCE), so that a host further off has other troubles first.
  clockSkew: '5m',
}

/**
 * How many calls an account may make. "Stripe has a rate limit of 100 parallel requests per second for live mode
 * transactions, and 25 parallel requests per second for test mode transactions."
 * https://support.stripe.com/questions/rate-limit-error-when-creating-bulk-api-requests
 * Stripe may set others for an account or an endpoint (https://docs.stripe.com/rate-limits).
 */
export const STRIPE_RATE_LIMITS = {
  live: { calls: 100, per: '1s' },
  sandbox: { calls: 25, per: '1s' },
} as const satisfies Readonly<Record<string, RateLimit>>

/** Limits of metadata: https://docs.stripe.com/api/metadata */
export const METADATA_LIMITS = { keys: 50, valueLength: 500 } as const

/** The largest page of any list: https://docs.stripe.com/api/pagination */
export const PAGE_SIZE = 100
