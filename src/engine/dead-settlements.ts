import { type EffectIdentity, entryId } from '../protocol/index.js'
import { identityOf } from './context.js'
import { type Counterfoil, internalsOf } from './counterfoil.js'
import type { RuntimeEffect, SettledOutcome } from './effect.js'
import { settledOutcome } from './settlement.js'

/** An outcome whose `settled` handler failed too often, and is not run again by itself. */
export interface DeadSettlement extends EffectIdentity {
  /** What the handler is owed. It stands, whatever becomes of the handler (P8). */
  readonly outcome: SettledOutcome<unknown>
  /** How often the handler was run in vain. */
  readonly attempts: number
}

export interface DeadSettlementsOptions<Tx> {
  /** Default: all effects of this Counterfoil. */
  readonly effect?: RuntimeEffect<Tx>
  /** How many at most. Default 100. */
  readonly limit?: number
}

/** Lists dead settlements, the oldest first. */
export async function listDeadSettlements<Tx>(
  counterfoil: Counterfoil<Tx>,
  { effect, limit = 100 }: DeadSettlementsOptions<Tx>,
): Promise<readonly DeadSettlement[]> {
  const { journal, namespace, effects } = internalsOf(counterfoil).core.context
  const names = (effect === undefined ? [...effects.keys()] : [effect.name]).map((name) => ({
    namespace,
    effect: name,
  }))
  const entries = await journal.deadSettlements.list(names, limit)
  return entries.map((entry) => ({
    ...identityOf(entry),
    outcome: settledOutcome(entry),
    attempts: entry.settlementAttempts,
  }))
}

/** Makes the dead handler of one effect due again. */
export function retryDeadSettlement<Tx>(counterfoil: Counterfoil<Tx>, name: string, key: string): Promise<boolean> {
  const { journal, namespace } = internalsOf(counterfoil).core.context
  return journal.deadSettlements.retry(entryId(namespace, name, key))
}
