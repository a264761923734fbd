/**
 * The lab's times, in milliseconds: those of a production system, shrunk so that a day fits into seconds. Their order
 * is what matters, and it is the usual one: a lock outlives a call, a freeze outlives a lock.
 */

/** How long a worker waits for the gateway. */
export const CALL_TIMEOUT_MS = 1_500

/** The gateway's own pace. */
export const GATEWAY_LATENCY_MS = 10

/** How much longer a lock, a relay's claim and a lease last than the call that they cover. */
export const LOCK_GRACE_MS = 500
export const LOCK_TTL_MS = CALL_TIMEOUT_MS + LOCK_GRACE_MS

/**
 * How long a raced gateway takes, so that two workers are surely inside the call at once. Half of what a worker waits
 * for it: a busy machine takes long to start the second worker's call, and long to bring the first one's answer.
 */
export const RACE_WINDOW_MS = CALL_TIMEOUT_MS / 2

/** How long after the client's time-out the gateway still takes the money. */
export const LATE_COMMIT_MS = 1_500

/** How long a response is withheld that must not arrive. */
export const WITHHELD_MS = 60_000

/** How far behind the gateway's search is, where look-ups lag. */
export const SEARCH_LAG_MS = 2_000

/** The longest time after a call until a look-up surely shows what it did; the gateway keeps to it in every fault. */
export const SETTLES_WITHIN_MS = 3_000

/** For how long the gateway keeps a key, where keys are pruned (at Stripe: 24 hours), and how long everything is down. */
export const KEY_WINDOW_MS = 3_000
export const OUTAGE_MS = KEY_WINDOW_MS + 500

/** How long a frozen worker sleeps before the broker gives it up: past every lock and lease. */
export const FREEZE_MS = LOCK_TTL_MS + 500

/** How a broker redelivers: after 50 ms, doubling up to 800 ms, until it gives the message up. */
export const REDELIVERY_FIRST_MS = 50
export const REDELIVERY_LONGEST_MS = 800
export const MAX_DELIVERIES = 25

/** How many messages a worker has in hand at once. */
export const PREFETCH = 8
