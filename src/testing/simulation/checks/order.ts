import type { CheckOf } from './check.js'

/**
 * I7: effects of one `serializeKey` are called one at a time, in the order in which their generations were asked for, by
 * the journal's clock. What is not committed yet when another is taken has no place in that order, and which of one
 * millisecond comes first is the journal's to say.
 */
export const oneAtATime: CheckOf = (world) => ({
  changed: (before, after) => {
    for (const [id, row] of after) {
      if (row.serializeKey === null || row.state !== 'executing' || row.attempts !== 1) continue
      if (before.get(id)?.state === 'executing') continue
      const earlier = [...before.values()].find(
        (each) =>
          each.id !== id &&
          each.serializeKey === row.serializeKey &&
          each.state === 'pending' &&
          each.createdAtMs < row.createdAtMs,
      )
      if (earlier === undefined) continue
      const older = `${earlier.key}, which is pending and older`
      world.violate('I7 one at a time, in order', `${row.key} is taken before ${older}`)
    }
  },
  sends: (_, call) => {
    const rows = [...world.rows.values()]
    const own = rows.find((each) => each.reference === call.reference)
    if (own === undefined || own.serializeKey === null) return
    const busy = rows.find(
      ({ id, serializeKey, state }) =>
        id !== own.id && serializeKey === own.serializeKey && (state === 'executing' || state === 'in_doubt'),
    )
    if (busy !== undefined) {
      world.violate('I7 one at a time, in order', `${own.key} is called while ${busy.key} is ${busy.state}`)
    }
  },
})
