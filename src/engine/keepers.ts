import { keepInbox } from '../inbox/index.js'
import type { Keeper } from '../system/index.js'
import { type Context, tell } from './context.js'
import { keepLeases } from './keep-leases.js'
import { keepRetention } from './keep-retention.js'
import { watchHandlers } from './watch-handlers.js'

/** What is done from time to time beside the loop. */
export function startKeepers<Tx>(context: Context<Tx>): readonly Keeper[] {
  const { journal, lease, clock, randomness, hooks } = context
  const ports = { clock, randomness, onError: (error: unknown) => tell(() => hooks.onError?.(error)) }
  const keepers = [
    keepInbox(journal, ports),
    keepLeases(lease, ports),
    keepRetention(context, ports),
    watchHandlers(context, ports),
  ]
  return keepers.filter((keeper) => keeper !== null)
}
