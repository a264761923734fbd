import type { Entry } from '../../../protocol/index.js'
import type { CheckOf } from './check.js'
import { isUndoing } from './repairs.js'

/**
 * I10: what is enqueued in a transaction is there with whatever else was written in it, and not without. Of an order that
 * is the application's own row; of an undoing, that the entry that it undoes says so. (That what was committed is not
 * without its entry is I2's.)
 */
export const togetherOrNotAtAll: CheckOf = (world) => {
  const isUndone = ({ key }: Entry, rows: ReadonlyMap<string, Entry>): boolean => {
    const undone = [...rows.values()].find((each) => !isUndoing(each) && each.externalId === key.split(' ')[0])
    // No entry stands for a duplicate that an audit has found.
    return undone === undefined || undone.state === 'compensating' || undone.state === 'compensated'
  }
  return {
    changed: (before, after) => {
      for (const [id, row] of after) {
        if (before.has(id) || row.state !== 'pending') continue
        // What is performed begins with its call, and is pending only where it has to wait for its turn.
        if (row.serializeKey !== null) continue
        if (isUndoing(row) ? isUndone(row, after) : world.orders.includes(row.key)) continue
        const what = isUndoing(row) ? 'what it undoes does not say so' : 'no order was committed with it'
        world.violate('I10 together or not at all', `${row.key} is enqueued, and ${what}`)
      }
    },
  }
}
