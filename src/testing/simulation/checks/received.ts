import type { CheckOf } from './check.js'

/** I11: a message takes effect once, and all who brought it are told the same of it, and the truth. */
export const receivedOnce: CheckOf = (world) => {
  const ofMessage = (id: string | null): readonly string[] =>
    world.received.filter((each) => each.id === id).map(({ result }) => result)
  /** Messages of which somebody was told that they had not been received before. */
  const first = new Set<string>()
  return {
    heard: ({ kind, message: { messageId }, value }) => {
      if (kind !== 'received' || messageId === null) return
      const { duplicate, result } = value as { readonly duplicate: boolean; readonly result: string }
      if (ofMessage(messageId)[0] !== result) {
        const said = `a caller heard of ${messageId} as ${result}`
        world.violate('I11 received once', `${said}, and what was committed is ${ofMessage(messageId)[0] ?? 'nothing'}`)
      }
      if (!duplicate && first.has(messageId))
        world.violate('I11 received once', `two callers heard that they were the first with ${messageId}`)
      if (!duplicate) first.add(messageId)
    },
    rests: () => {
      for (const { id } of world.received) {
        const results = ofMessage(id)
        if (results.length > 1) world.violate('I11 received once', `${id} took effect as ${results.join(' and as ')}`)
      }
    },
    remembers: () => [...first].sort().join(),
  }
}
