import { ConfigurationError } from '../protocol/index.js'
import { Keeper, type KeeperPorts } from '../system/index.js'
import type { Context } from './context.js'

/** How often to look, and so how long a handler has to wait before anybody is told. */
const EVERY_MS = 60_000

/**
 * Tells of outcomes that wait for a `settled` handler which this process does not have; null where every effect has one.
 * A deployment leaves such for a moment; one that waits from one look to the next is told, once for each look.
 */
export function watchHandlers<Tx>(context: Context<Tx>, ports: Omit<KeeperPorts, 'everyMs'>): Keeper | null {
  const { journal, namespace, effects } = context
  const without = [...effects.values()].filter(({ settled }) => settled === undefined)
  if (without.length === 0) return null
  const names = without.map(({ name }) => ({ namespace, effect: name }))
  let before: string | undefined
  const look = async (): Promise<void> => {
    const [longestDue] = await journal.dueSettlements(names, 1)
    const isStuck = longestDue !== undefined && longestDue === before
    before = longestDue
    if (!isStuck) return
    const [seen] = await journal.read([longestDue])
    if (seen?.entry.settlement === 'due') throw nobodySettles(seen.entry)
  }
  return new Keeper(look, { ...ports, everyMs: EVERY_MS })
}

function nobodySettles({ effect, key }: { readonly effect: string; readonly key: string }): ConfigurationError {
  return new ConfigurationError(
    `The outcome of ${effect} ${JSON.stringify(key)} waits for a \`settled\` handler, which the process that began it had ` +
      'and this one does not. The outcome stands, and the handler stays due. Run a process with the handler; if the ' +
      'effect is to have none any more, give it one that does nothing until none is due.',
  )
}
