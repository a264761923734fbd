import { Dice } from './dice.js'
import type { MessagePlan, Scenario } from './scenario.js'

/** In half of the histories no number of calls is too many for a while. */
export function withPatience(scenario: Scenario): Scenario {
  const patienceMs = new Dice(scenario.seed).stream(5, 0).pick(0, 0, 5_000, scenario.terms.windowMs)
  return { ...scenario, terms: { ...scenario.terms, patienceMs } }
}

/** In some histories what was done is undone again, by customers who change their minds and by audits. */
export function withRepairs(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(3, 0)
  if (!draw.chance(0.2)) return scenario
  const keys = [...new Set(scenario.messages.map(({ key }) => key))]
  const duplicates = keys.filter(() => draw.chance(0.6))
  const repairs: MessagePlan[] = []
  for (const key of keys) {
    const hows = [
      ...(draw.chance(0.6) ? (['compensate'] as const) : []),
      ...(duplicates.includes(key) ? (['repair'] as const) : []),
    ]
    for (const how of hows) {
      for (let copy = draw.pick(1, 2, 2, 3); copy > 0; copy--) {
        repairs.push({
          id: scenario.messages.length + repairs.length,
          atMs: draw.pick(
            draw.whole(0, 40),
            draw.whole(0, 3_000),
            Math.floor(draw.spread(1_000, 2 * scenario.terms.windowMs)),
          ),
          worker: draw.whole(0, scenario.workers.length - 1),
          key,
          variant: 0,
          waitMs: Math.floor(draw.spread(200, 10_000)),
          how,
          notBefore: null,
          refundKey: how === 'compensate' ? draw.pick(null, null, 'return-1', 'return-2') : null,
          messageId: null,
          redeliveries: draw.pick(0, 1, 2),
          persists: false,
        })
      }
    }
  }
  return {
    ...scenario,
    duplicates,
    messages: [...scenario.messages, ...repairs],
    terms: { ...scenario.terms, undoable: true },
  }
}

/** In some histories what is old becomes compact meanwhile, and is asked for again, and undone, before and after that. */
export function withRetention(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(4, 0)
  if (!draw.chance(0.25)) return scenario
  const { messages, workers, terms } = scenario
  const keys = [...new Set(messages.map(({ key }) => key))]
  const later = (): number =>
    draw.pick(draw.whole(0, 100), draw.whole(0, 3_000), Math.floor(draw.spread(1_000, 2 * terms.windowMs)))
  const asked = Array.from({ length: draw.whole(2, 6) }, (): MessagePlan['how'] => 'age')
  const again = keys.flatMap((key) =>
    draw.chance(0.7) ? [{ key, how: draw.pick<MessagePlan['how']>('perform', 'perform', 'enqueue') }] : [],
  )
  const more = [...asked.map((how) => ({ key: 'all', how })), ...again].map(
    ({ key, how }, i): MessagePlan => ({
      ...{ id: messages.length + i, atMs: later(), worker: draw.whole(0, workers.length - 1), key, variant: 0 },
      ...{ waitMs: Math.floor(draw.spread(200, 10_000)), how, notBefore: null, refundKey: null, messageId: null },
      ...{ redeliveries: draw.pick(0, 1, 2), persists: false },
    }),
  )
  const compactAfterMs = draw.pick(1, draw.whole(1, 50), draw.whole(1, 2_000))
  return { ...scenario, messages: [...messages, ...more], terms: { ...terms, compactAfterMs } }
}

/** In some histories what is enqueued has its time, by the journal's clock, whatever the clock of its worker shows. */
export function withWaits(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(6, 0)
  if (!draw.chance(0.5)) return scenario
  const messages = scenario.messages.map((message): MessagePlan => {
    if (message.how !== 'enqueue') return message
    const inMs = Math.floor(draw.spread(1, 5_000))
    // As often as not long past when it is asked for.
    const atMs = draw.pick(message.atMs + inMs, Math.max(0, message.atMs - inMs))
    return { ...message, notBefore: draw.pick<MessagePlan['notBefore']>({ inMs }, { atMs }, null) }
  })
  return { ...scenario, messages }
}

/** In some histories one process may not call the service as often as there is work, and there is more of it. */
export function withLimits(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(7, 0)
  if (!draw.chance(0.25)) return scenario
  const { messages, workers, terms } = scenario
  const calls = draw.pick(1, 1, 2, 3)
  const perMs = Math.floor(draw.spread(50, 3_000))
  const concurrency = draw.pick(null, 1, 1, 2)
  const rate = concurrency === null || draw.chance(0.5) ? { calls, perMs } : null
  const startMs = draw.whole(0, 3_000)
  // Keys of their own, of which nobody waits: so all that is called for them is called by loops.
  const more = Array.from({ length: draw.whole(3, 7) }, (_, i): MessagePlan => {
    const atMs = startMs + draw.pick(0, draw.whole(0, 40), draw.whole(0, 3_000))
    return {
      ...{
        id: messages.length + i,
        atMs,
        worker: draw.whole(0, workers.length - 1),
        key: `parcel-${i + 1}`,
        variant: 0,
      },
      ...{
        waitMs: 0,
        how: 'enqueue',
        notBefore: null,
        refundKey: null,
        messageId: null,
        redeliveries: 2,
        persists: false,
      },
    }
  })
  return { ...scenario, messages: [...messages, ...more], terms: { ...terms, concurrency, rate } }
}

/** In some histories a broker brings messages late, several times, in any order and to any worker: through the inbox. */
export function withInbox(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(8, 0)
  if (!draw.chance(0.2)) return scenario
  const { messages, workers, terms } = scenario
  const startMs = draw.whole(0, 3_000)
  const more: MessagePlan[] = []
  for (let sent = draw.whole(1, 4); sent > 0; sent--) {
    // Two messages may well be about one key: each is received, and the effect is made once.
    const key = `letter-${draw.pick(1, 2, 3)}`
    for (let copy = draw.pick(1, 2, 2, 3); copy > 0; copy--) {
      const afterMs = draw.pick(
        0,
        draw.whole(0, 40),
        draw.whole(0, 3_000),
        Math.floor(draw.spread(1_000, terms.windowMs)),
      )
      more.push({
        ...{
          id: messages.length + more.length,
          atMs: startMs + afterMs,
          worker: draw.whole(0, workers.length - 1),
          key,
        },
        ...{ variant: 0, waitMs: 0, how: 'receive', notBefore: null, refundKey: null, messageId: `message-${sent}` },
        ...{ redeliveries: draw.pick(0, 2, 4), persists: false },
      })
    }
  }
  return { ...scenario, messages: [...messages, ...more] }
}
