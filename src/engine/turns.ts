import { fingerprint, LeaseLostError, LeaseUnavailable } from '../protocol/index.js'
import type { Context } from './context.js'
import { withLease } from './with-lease.js'

/**
 * Runs `work` while no other process acts on an effect of the same `serializeKey`; null if another does, or if the lease
 * service cannot be asked. The lease only keeps workers out of each other's way: whose turn it is, and who may write,
 * is the journal's word, so that a lease service that lies costs throughput and never a second call.
 */
export async function inTurn<Tx, T>(
  context: Context<Tx>,
  turn: { readonly namespace: string; readonly serializeKey: string; readonly leaseMs: number },
  work: () => Promise<T>,
): Promise<T | null> {
  const { lease, clock, randomness } = context
  const key = `serialize:${fingerprint([turn.namespace, turn.serializeKey])}`
  let done: { readonly of: T } | null = null
  try {
    await withLease(lease, key, { ttl: turn.leaseMs, clock, randomness }, async () => {
      done = { of: await work() }
    })
  } catch (error) {
    // The work was done although the lease ran out under it: its writes stood under the entry's own fence.
    const result = done as { readonly of: T } | null
    if (result !== null) return result.of
    if (error instanceof LeaseUnavailable) return null
    // The loss is no news to the caller, whose writes stand or fall by the entry's own fence; what the work threw is.
    if (error instanceof LeaseLostError && error.cause !== undefined) throw error.cause
    if (error instanceof LeaseLostError) return null
    throw error
  }
  return (done as { readonly of: T } | null)?.of ?? null
}
