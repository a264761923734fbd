import type { LeaseService } from '../protocol/index.js'
import { inSteps, Keeper, type KeeperPorts } from '../system/index.js'

/** Small enough that no statement is felt by others. */
const BATCH = 500

/** How often to go through all leases. They are idle for a day before they may go, so there is no hurry. */
const EVERY_MS = 3_600_000

/**
 * Forgets leases that nobody holds any more, in batches with pauses as long as they took. Null where their service does
 * that by itself.
 */
export function keepLeases(lease: LeaseService, ports: Omit<KeeperPorts, 'everyMs'>): Keeper | null {
  if (lease.purge === undefined) return null
  const { clock } = ports
  const purgeAll = async (signal: AbortSignal): Promise<void> => {
    let after: string | null = null
    const purge = async (): Promise<boolean> => {
      after = (await lease.purge?.(BATCH, after))?.next ?? null
      return after !== null
    }
    await inSteps(purge, { clock, signal })
  }
  return new Keeper(purgeAll, { ...ports, everyMs: EVERY_MS })
}
