import type { Entry } from '../../../protocol/index.js'
import type { Operation } from '../truth.js'
import type { CheckOf, Heard } from './check.js'

/** I8: an operation is undone at most once, and the journal says so of exactly those that were. */
export const undoneOnce: CheckOf = (world) => {
  const undoingsOf = (externalId: string): readonly Operation[] =>
    world.operations.filter(({ undoes }) => undoes === externalId)
  return {
    happened: ({ undoes }) => {
      if (undoes === null) return
      const ids = undoingsOf(undoes).map(({ receipt }) => receipt.id)
      if (ids.length > 1) world.violate('I8 undone exactly once', `${undoes} was undone by ${ids.join(' and ')}`)
      if (!world.operations.some(({ receipt }) => receipt.id === undoes))
        world.violate('I8 undone exactly once', `${undoes} was undone, and there is no such operation`)
    },
    heard: ({ kind, value, message }: Heard) => {
      if (kind !== 'undone') return
      const { externalId } = value as { readonly externalId: string }
      if (undoingsOf(externalId).length === 0)
        world.violate('T1 callers hear the truth', `a caller heard that ${message.key} was undone, and it was not`)
    },
    rests: () => {
      for (const entry of world.rows.values()) {
        const { externalId } = entry
        if (externalId === null || isUndoing(entry)) continue
        const count = undoingsOf(externalId).length
        const state = `${entry.key} is ${entry.state}, and was undone ${count} times`
        if (entry.state === 'compensated' && count !== 1) world.violate('I8 undone exactly once', state)
        if (entry.state === 'succeeded' && count !== 0) world.violate('I8 undone exactly once', state)
        if (entry.state === 'compensating' && !isParkedUndoingOf(externalId))
          world.violate('I2 everything comes to rest', `${entry.key} stays compensating, and no undoing is parked`)
      }
    },
  }

  function isParkedUndoingOf(externalId: string): boolean {
    return [...world.rows.values()].some(
      (row) => isUndoing(row) && row.key.split(' ')[0] === externalId && row.state === 'parked',
    )
  }
}

/** Whether it is the entry of an undoing. */
export function isUndoing({ effect }: Entry): boolean {
  return effect.endsWith('/undo')
}
