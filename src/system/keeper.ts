import type { Clock, Randomness } from './clock.js'

/** How a keeper works. */
export interface KeeperPorts {
  /** The longest time between two times of work, counted from the end of the one; half of it is the shortest. */
  readonly everyMs: number
  readonly clock: Clock
  readonly randomness: Randomness
  /** Hears what the work throws; it is tried again the next time. */
  readonly onError: (error: unknown) => void
}

/** Does a piece of work from time to time, until it is stopped. */
export class Keeper {
  readonly #stopping = new AbortController()
  readonly #looping: Promise<void>

  /** `work` ends early when its signal aborts. */
  constructor(work: (signal: AbortSignal) => Promise<unknown>, ports: KeeperPorts) {
    this.#looping = this.#loop(work, ports)
  }

  async #loop(
    work: (signal: AbortSignal) => Promise<unknown>,
    { everyMs, clock, randomness, onError }: KeeperPorts,
  ): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      // Processes that start together do not come together.
      await clock.sleep(everyMs * (0.5 + randomness.next() / 2), signal)
      if (signal.aborted) return
      await work(signal).catch(onError)
    }
  }

  /** Resolves when no work is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#looping
  }
}
