import { type Entry, hasAnswer, type State } from '../../../protocol/index.js'
import type { CheckOf } from './check.js'

const WAS_DONE: ReadonlySet<State> = new Set(['succeeded', 'compensating', 'compensated'])

/** I1 to I4: at rest, what the journal says is what happened, once per key, and nothing was dropped. */
export const booksAgree: CheckOf = (world) => {
  /** Every generation of every entry, as it came to rest. */
  const generations = new Map<string, Entry>()
  return {
    changed: (_, after) => {
      for (const row of after.values()) generations.set(row.reference, row)
    },
    rests: () => {
      const { operations } = world
      const byKey = new Map<string, string[]>()
      for (const { key, receipt, isPlanted, undoes } of operations)
        if (!isPlanted && undoes === null) byKey.set(key, [...(byKey.get(key) ?? []), receipt.id])
      for (const [key, ids] of byKey) {
        if (ids.length > 1)
          world.violate('I1 one operation per key', `${key} was done ${ids.length} times: ${ids.join(', ')}`)
      }
      for (const entry of generations.values()) {
        const done = operations.filter((each) => each.reference === entry.reference)
        const name = entry.generation === 1 ? entry.key : `${entry.key}, generation ${entry.generation}`
        if (!hasAnswer(entry.state)) world.violate('I2 everything comes to rest', `${name} stays ${entry.state}`)
        if (WAS_DONE.has(entry.state) && !done.some((each) => each.receipt.id === entry.externalId)) {
          world.violate('I3 succeeded means done', `${name} is recorded as ${entry.externalId}, which does not exist`)
        }
        const knownNot = entry.state === 'failed' || (entry.state === 'parked' && entry.inDoubtSinceMs === null)
        if (knownNot && done.length > 0) {
          world.violate('I4 failed means not done', `${name} is ${entry.state} as never done, and it was done`)
        }
      }
      for (const { key, reference, isPlanted } of operations) {
        if (!isPlanted && !generations.has(reference))
          world.violate('P1 intent first', `${key} was done, and the journal has no entry`)
      }
      for (const key of world.orders) {
        const kept = [...generations.values()].some((each) => each.key === key)
        if (!kept) world.violate('I2 everything comes to rest', `${key} was committed with its order, and is gone`)
      }
    },
  }
}
