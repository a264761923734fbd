/**
 * Times of a chaos run, in milliseconds. Their order is what matters: a stop outlives a lease, and whatever may still
 * happen of a call that was given up has happened before a look-up's "no" counts.
 */

/** How long a worker waits for the gateway. */
export const CALL_TIMEOUT_MS = 1_500

/** How much longer the lease lasts than the call. */
export const LEASE_GRACE_MS = 1_000
export const LEASE_MS = CALL_TIMEOUT_MS + LEASE_GRACE_MS

/** How long a worker is stopped: past its lease. */
export const STOP_MS = LEASE_MS + 500

/** How long after a client has gone the gateway may still take the money. */
export const LATE_COMMIT_MS = 300

/** How far behind the gateway's search is. */
export const SEARCH_LAG_MS = 300

/**
 * The longest time after a call's deadline until a look-up surely shows what it did. No check of the time can stand
 * closer to the first byte than one instruction, and a process may be stopped there: so the stop counts too.
 */
export const SETTLES_WITHIN_MS = STOP_MS + LATE_COMMIT_MS + SEARCH_LAG_MS + 1_000

/** How long after the settlement of its order a tip may be charged, at the soonest: long enough that workers are killed meanwhile. */
export const TIP_WAIT_MS = 700

/** How long orders that are put off wait, at the shortest and at the longest. */
export const SHORTEST_WAIT_MS = 400
export const LONGEST_WAIT_MS = 2_000

/** How long a partition lasts, and how long the gateway refuses connections, fails or hangs. */
export const PARTITION_MS = 3_500
export const OUTAGE_MS = 3_000

/** How long a worker's wall clock is wrong. */
export const SKEW_MS = 4_000
