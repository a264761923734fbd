import type { Journal } from '../protocol/index.js'
import { type Clock, inSteps, Keeper, type KeeperPorts, realClock } from '../system/index.js'

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
  const purge = async (): Promise<boolean> => {
    const forgotten = await journal.inbox.purge(BATCH)
    count += forgotten
    return forgotten > 0
  }
  await inSteps(purge, { clock, signal })
  return count
}

/** Forgets old messages from time to time, until it is stopped. */
export function keepInbox<Tx>(journal: Journal<Tx>, ports: Omit<KeeperPorts, 'everyMs'>): Keeper {
  const { clock } = ports
  return new Keeper((signal) => purgeInbox(journal, { signal, clock }), { ...ports, everyMs: INTERVAL_MS })
}
