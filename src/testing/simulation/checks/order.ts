import type { CheckOf } from './check.js'

/**
 * I7: effects of one `serializeKey` are called one at a time, in the order in which their generations were asked for, by
 * the journal's clock. Which of one millisecond comes first is the journal's to say.
 */
export const oneAtATime: CheckOf = (world) => ({
  sends: (_, call) => {
    const rows = [...world.rows.values()]
    const own = rows.find((each) => each.reference === call.reference)
    if (own === undefined || own.serializeKey === null) return
    const others = rows.filter((each) => each !== own && each.serializeKey === own.serializeKey)
    const busy = others.find(({ state }) => state === 'executing' || state === 'in_doubt')
    if (busy !== undefined) {
      world.violate('I7 one at a time, in order', `${own.key} is called while ${busy.key} is ${busy.state}`)
    }
    const earlier = others.find((each) => each.state === 'pending' && each.createdAtMs < own.createdAtMs)
    if (earlier !== undefined && own.attempts === 1) {
      world.violate(
        'I7 one at a time, in order',
        `${own.key} is called before ${earlier.key}, which is pending and older`,
      )
    }
  },
})
