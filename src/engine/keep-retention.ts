import { walk } from '../retention/index.js'
import { Keeper, type KeeperPorts } from '../system/index.js'
import type { Context } from './context.js'

/** Walks around the journal from time to time, where something is to age. */
export function keepRetention<Tx>(
  { journal, retention }: Pick<Context<Tx>, 'journal' | 'retention'>,
  ports: Omit<KeeperPorts, 'everyMs'>,
): Keeper | null {
  if (retention === null) return null
  const { clock, randomness } = ports
  const work = (signal: AbortSignal): Promise<unknown> => walk(journal, retention, { clock, randomness, signal })
  return new Keeper(work, { ...ports, everyMs: retention.everyMs })
}
