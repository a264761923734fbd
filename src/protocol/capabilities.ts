/** For how long the service surely honours a key, counted from the first send. */
export interface KeyWindow {
  readonly windowMs: number
  /** Subtracted from the window: clocks differ and services prune early. */
  readonly marginMs: number
}

/** What a look-up is worth. */
export interface FindLag {
  /** After this long past the last deadline, what the look-up does not show did not happen (P4). */
  readonly settlesWithinMs: number
}

/** How patient the engine is with one effect. */
export interface Limits {
  /** The longest that one call may take. */
  readonly timeoutMs: number
  /** Calls in one generation before it is parked, once `patienceMs` is over too. */
  readonly maxAttempts: number
  /** For at least this long after its first call, no entry is parked because its calls brought nothing. */
  readonly patienceMs: number
  /** Look-ups in a row that could not ask before it is parked. */
  readonly maxFindFailures: number
}

/**
 * What a service can do about doubt, as data: it decides what is safe (P4).
 *
 * `key`: it honours our key for a while. `find`: it can be asked for our reference. `key_and_find`: both.
 * `park`: neither, so only a person or an audit can settle a doubt.
 */
export type Capabilities = { readonly limits: Limits } & (
  | { readonly doubt: 'key'; readonly key: KeyWindow }
  | { readonly doubt: 'find'; readonly find: FindLag }
  | { readonly doubt: 'key_and_find'; readonly key: KeyWindow; readonly find: FindLag }
  | { readonly doubt: 'park' }
)

/** The key window, where the service honours keys. */
export function keyWindowOf(capabilities: Capabilities): KeyWindow | null {
  return capabilities.doubt === 'key' || capabilities.doubt === 'key_and_find' ? capabilities.key : null
}

/** The worth of a look-up, where the service can be asked. */
export function findLagOf(capabilities: Capabilities): FindLag | null {
  return capabilities.doubt === 'find' || capabilities.doubt === 'key_and_find' ? capabilities.find : null
}
