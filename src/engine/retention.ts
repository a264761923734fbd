import { walk } from '../retention/index.js'
import { Keeper } from '../system/index.js'
import { type Context, tell } from './context.js'

/** Walks around the journal from time to time, where something is to age. */
export function keepRetention<Tx>(context: Context<Tx>): Keeper | null {
  const { journal, clock, randomness, hooks, retention } = context
  if (retention === null) return null
  return new Keeper((signal) => walk(journal, retention, { clock, randomness, signal }), {
    ...{ everyMs: retention.everyMs, clock, randomness },
    onError: (error) => tell(() => hooks.onError?.(error)),
  })
}
