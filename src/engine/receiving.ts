import type { Inbox } from '../inbox/index.js'
import type { Clock, Randomness } from '../system/index.js'
import { type Counterfoil, internalsOf } from './counterfoil.js'

/** What a consumer of messages, above the engine, works with. */
export interface Receiving<Tx> {
  readonly inbox: Inbox<Tx>
  readonly clock: Clock
  readonly randomness: Randomness
}

/** What a consumer of messages, above the engine, works with; no part of what users see of the class. */
export function receivingOf<Tx>(counterfoil: Counterfoil<Tx>): Receiving<Tx> {
  const { core, inbox } = internalsOf(counterfoil)
  const { clock, randomness } = core.context
  return { inbox, clock, randomness }
}
