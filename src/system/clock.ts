/**
 * Time as the engine sees it. Everything that waits, measures or gives up does it through this port, so that the
 * production engine runs unchanged under a simulator's virtual time.
 */
export interface Clock {
  /** Milliseconds on a clock that never steps back; only differences mean anything. */
  monotonicMs(): number
  /** Wall-clock milliseconds since the Unix epoch. For display and for services' own timestamps, never for leases. */
  wallMs(): number
  /** Resolves after `delayMs`, or as soon as `signal` aborts (it never rejects: the waiter looks at the signal). */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
  /**
   * Calls `callback` once after `delayMs`; the returned function cancels it. The timer keeps no process alive, unless it
   * is asked to. It costs a fraction of a `sleep` with a signal.
   */
  schedule(delayMs: number, callback: () => void, keepAlive?: 'keep-alive'): () => void
  /** Calls `callback` as soon as whatever has reached the process by now has been handed out; no time passes. */
  nextTurn(callback: () => void): void
}

/** Randomness as the engine sees it: a seeded one replays a simulation exactly. */
export interface Randomness {
  /** A number in [0, 1). */
  next(): number
  /** A token that no other process will draw: 128 random bits in base64url. */
  token(): string
}
