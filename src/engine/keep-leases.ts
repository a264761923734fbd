import type { LeaseService } from '../protocol/index.js'
import { inBatches, Keeper, type KeeperOptions } from '../system/index.js'

/** Small enough that no statement is felt by others. */
const BATCH = 500

/** How often to go through all leases. They are idle for a day before they may go, so there is no hurry. */
const INTERVAL_MS = 3_600_000

/** Forgets leases that nobody holds any more; none, where their service does that by itself. */
export function keepLeases(lease: LeaseService, ports: Omit<KeeperOptions, 'intervalMs'>): readonly Keeper[] {
  if (lease.purge === undefined) return []
  const { clock } = ports
  const purge = async (signal: AbortSignal): Promise<void> => {
    let after: string | null = null
    const batch = async (): Promise<'more' | 'done'> => {
      after = (await lease.purge?.(BATCH, after))?.next ?? null
      return after === null ? 'done' : 'more'
    }
    await inBatches(batch, { clock, signal })
  }
  return [new Keeper(purge, { ...ports, intervalMs: INTERVAL_MS })]
}
