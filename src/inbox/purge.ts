import type { Journal } from '../protocol/index.js'
import { type Clock, type Randomness, realClock } from '../system/index.js'

/** Small enough that no statement is felt by others. */
const BATCH = 500

/** How often old messages are looked for. */
const INTERVAL_MS = 60_000

export interface PurgeInboxOptions {
  /** Stops it between two batches. */
  readonly signal?: AbortSignal
  /** Time, for a simulator. Default: the machine's. */
  readonly clock?: Clock
}

/**
 * Forgets the messages whose retention is over, in small batches with pauses as long as the batches took, so that it has
 * half of one connection at most. `Counterfoil.start` does it every minute; call it where no process runs that. Several
 * may do it at once.
 *
 * @returns how many were forgotten.
 * @throws {JournalError} when the journal cannot be used. What was forgotten before stays forgotten.
 */
export async function purgeInbox<Tx>(
  journal: Pick<Journal<Tx>, 'inbox'>,
  options: PurgeInboxOptions = {},
): Promise<number> {
  const { signal, clock = realClock } = options
  let count = 0
  while (signal?.aborted !== true) {
    const beganAtMs = clock.monotonicMs()
    const forgotten = await journal.inbox.purge(BATCH)
    if (forgotten === 0) break
    count += forgotten
    await clock.sleep(clock.monotonicMs() - beganAtMs, signal)
  }
  return count
}

/** Forgets old messages from time to time, until it is stopped. */
export class InboxKeeper<Tx> {
  readonly #stopping = new AbortController()
  readonly #looping: Promise<void>

  constructor(
    journal: Journal<Tx>,
    ports: { readonly clock: Clock; readonly randomness: Randomness; readonly onError: (error: unknown) => void },
  ) {
    this.#looping = this.#loop(journal, ports)
  }

  async #loop(
    journal: Journal<Tx>,
    { clock, randomness, onError }: { clock: Clock; randomness: Randomness; onError: (error: unknown) => void },
  ): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      // Processes that start together do not come together.
      await clock.sleep(INTERVAL_MS * (0.5 + randomness.next() / 2), signal)
      if (signal.aborted) return
      await purgeInbox(journal, { signal, clock }).catch(onError)
    }
  }

  /** Resolves when no batch is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#looping
  }
}
