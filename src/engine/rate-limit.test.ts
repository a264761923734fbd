import { describe, expect, it } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { OutcomeUnknown, type Provider } from '../protocol/index.js'
import { realRandomness } from '../system/index.js'
import { Counterfoil, defineEffect } from './index.js'
import { VirtualClock } from './virtual-clock.fixture.js'

interface Order {
  readonly id: string
}

const PER_MS = 10_000

/** A service whose first call for each order comes to nothing, with its clock and all that it was asked. */
function setUp(calls: number) {
  const clock = new VirtualClock()
  const asked: { readonly what: 'call' | 'look-up'; readonly id: string; readonly atMs: number }[] = []
  const provider: Provider<Order, { id: string }> = {
    rateLimit: { calls, per: PER_MS },
    settlesWithin: 1,
    find: async ({ id }) => {
      asked.push({ what: 'look-up', id, atMs: clock.monotonicMs() })
      return null
    },
    execute: async ({ id }, { attempt }) => {
      asked.push({ what: 'call', id, atMs: clock.monotonicMs() })
      if (attempt === 1) throw new OutcomeUnknown('http_500', 'Nobody knows.')
      return { id }
    },
  }
  const effect = defineEffect({ name: 'charge', key: (order: Order) => order.id, provider })
  const journal = new MemoryJournal({ clock })
  const counterfoil = new Counterfoil({ journal, effects: [effect], clock, randomness: realRandomness })
  const isDone = () => journal.entries().every(({ state }) => state === 'succeeded')
  return { clock, asked, effect, counterfoil, isDone }
}

describe('the rate limit of a service', () => {
  it.each([1, 3])('of %s counts look-ups, and the call that one allows waits for its own place', async (calls) => {
    const { clock, asked, effect, counterfoil, isDone } = setUp(calls)
    await counterfoil.enqueueMany(effect, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
    await counterfoil.start()
    expect(await clock.passUntil(isDone, 600_000)).toBe(true)
    for (const { atMs } of asked) {
      const stretch = asked.filter((each) => each.atMs >= atMs && each.atMs < atMs + PER_MS)
      expect(stretch.length).toBeLessThanOrEqual(calls)
    }
    // What was proven absent once is not asked about again.
    for (const id of ['a', 'b', 'c']) {
      const ofOne = asked.filter((each) => each.id === id).map(({ what }) => what)
      expect(ofOne.slice(-2)).toEqual(['look-up', 'call'])
      expect(ofOne.filter((what) => what === 'call')).toHaveLength(2)
    }
    await counterfoil.stop()
  })

  it('holds back nobody who waits for an effect', async () => {
    const { clock, asked, effect, counterfoil } = setUp(1)
    const performed = counterfoil.perform(effect, { id: 'a' }, { wait: '1h' })
    await clock.passUntil(() => asked.filter(({ what }) => what === 'call').length === 2, PER_MS * 10)
    expect(await performed).toEqual({ id: 'a' })
    const [lookedUp, called] = asked.slice(-2)
    expect((called?.atMs ?? 0) - (lookedUp?.atMs ?? 0)).toBeLessThan(PER_MS)
  })
})
