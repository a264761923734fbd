import type { Clock, Randomness } from './clock.js'

/** When a keeper works, and who hears of its trouble. */
export interface KeeperOptions {
  /** The longest between the end of its work and the next time. */
  readonly intervalMs: number
  readonly clock: Clock
  readonly randomness: Randomness
  /** Told what the work throws; it is done again at its next time. */
  readonly onError: (error: unknown) => void
}

/** Does its work from time to time, in the background, until it is stopped. */
export class Keeper {
  readonly #stopping = new AbortController()
  readonly #looping: Promise<void>

  /** `work` should look at its signal: `stop` waits for it. */
  constructor(work: (signal: AbortSignal) => Promise<unknown>, options: KeeperOptions) {
    this.#looping = this.#loop(work, options)
  }

  async #loop(
    work: (signal: AbortSignal) => Promise<unknown>,
    { intervalMs, clock, randomness, onError }: KeeperOptions,
  ): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      // Processes that start together do not come together.
      await clock.sleep(intervalMs * (0.5 + randomness.next() / 2), signal)
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

/** What ends a series of batches before its end. */
export interface Batching {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/**
 * Does `batch` until it says that nothing is left, with pauses as long as the batches took: so it has half of one
 * connection at most.
 */
export async function inBatches(batch: () => Promise<'more' | 'done'>, { clock, signal }: Batching): Promise<void> {
  while (signal?.aborted !== true) {
    const beganAtMs = clock.monotonicMs()
    if ((await batch()) === 'done') return
    await clock.sleep(clock.monotonicMs() - beganAtMs, signal)
  }
}
