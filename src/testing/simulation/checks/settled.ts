import { type Entry, hasAnswer } from '../../../protocol/index.js'
import type { CheckOf } from './check.js'
import { isUndoing } from './repairs.js'

/** I5: for every outcome, the consequence in the user's database took effect exactly once, and says the same. */
export const settledOnce: CheckOf = (world) => {
  const outcomes = new Map<string, Entry>()
  return {
    changed: (_, after) => {
      for (const row of after.values()) {
        if (hasAnswer(row.state) && !isUndoing(row)) outcomes.set(`${row.key} ${row.generation}`, row)
      }
    },
    rests: () => {
      for (const [name, { state, settlement, externalId }] of outcomes) {
        const rows = world.consequences.filter((each) => `${each.key} ${each.generation}` === name)
        const expected = settlement === 'done' ? 1 : 0
        if (rows.length !== expected) {
          world.violate('I5 settled exactly once', `${name} is ${settlement}, with ${rows.length} consequences`)
        }
        for (const row of rows) {
          const kind = state === 'compensating' || state === 'compensated' ? 'succeeded' : state
          if (row.kind === kind && row.externalId === externalId) continue
          world.violate('I5 settled exactly once', `${name} is ${state}, and its consequence says ${row.kind}`)
        }
      }
      for (const { key, generation } of world.consequences) {
        if (!outcomes.has(`${key} ${generation}`)) {
          world.violate('I5 settled exactly once', `${key} ${generation} has a consequence and no outcome`)
        }
      }
    },
  }
}
