import {
  ConfigurationError,
  fingerprint,
  LeaseLostError,
  type LeaseService,
  LeaseUnavailable,
} from '../protocol/index.js'
import type { Context } from './context.js'
import type { RuntimeEffect } from './effect.js'
import { withLease } from './with-lease.js'

/**
 * Whether the lease service grants what turns are asked for: to be known when the application starts, not when nothing
 * of an effect is ever made.
 *
 * @throws {ConfigurationError} when it grants less.
 */
export function checkTurns<Tx>({ maxTtlMs }: LeaseService, effects: Iterable<RuntimeEffect<Tx>>): void {
  if (maxTtlMs === undefined) return
  for (const { name, serializeBy, leaseMs } of effects) {
    if (serializeBy === undefined || leaseMs <= maxTtlMs) continue
    throw new ConfigurationError(
      `The effect ${JSON.stringify(name)} has a serializeBy, whose lease lasts timeout + leaseGrace = ${leaseMs} ms, and ` +
        `the lease service grants ${maxTtlMs} ms at most. Set its maxTtl to ${leaseMs} or more (the same in all ` +
        'processes), or the timeout of the effect to less.',
    )
  }
}

/**
 * Runs `work` while no other process acts on an effect of the same `serializeKey`; null if another does. The lease only
 * keeps workers out of each other's way: whose turn it is, and who may write, is the journal's word, so that a lease
 * service that lies costs throughput and never a second call.
 *
 * @throws {LeaseUnavailable} the lease service could not be asked; `work` was not called.
 * @throws whatever `work` throws.
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
    if (error instanceof LeaseUnavailable && error.reason === 'held') return null
    // The loss is no news to the caller, whose writes stand or fall by the entry's own fence; what the work threw is.
    if (error instanceof LeaseLostError && error.cause !== undefined) throw error.cause
    if (error instanceof LeaseLostError) return null
    throw error
  }
  return (done as { readonly of: T } | null)?.of ?? null
}
