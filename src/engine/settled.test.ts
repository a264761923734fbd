import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Counterfoil } from '../counterfoil.js'
import { MemoryJournal, type MemoryTransaction } from '../journal/memory/index.js'
import { type EffectIdentity, SettledTimeout } from '../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../system/index.js'
import { defineEffect, type EffectDefinition } from './index.js'

interface Order {
  readonly id: string
}
type Definition = EffectDefinition<Order, Order, MemoryTransaction, Order>
type Failure = readonly [EffectIdentity, unknown, boolean]

/** Failed handlers are tried again in a second and more; here in a hundredth of that. */
const quick: Clock = { ...realClock, wallMs: () => realClock.monotonicMs() * 100 }

function setUp(settled: NonNullable<Definition['settled']>, definition: Partial<Definition> = {}) {
  const journal = new MemoryJournal({ clock: quick })
  const failures: Failure[] = []
  const effect = defineEffect<Order, Order, MemoryTransaction>({
    name: 'charge',
    key: (order) => order.id,
    provider: { execute: async (order) => order, inDoubt: 'park' },
    settled,
    ...definition,
  })
  const counterfoil = new Counterfoil<MemoryTransaction>({
    journal,
    effects: [effect],
    pollInterval: 10,
    settledTimeout: 50,
    randomness: { ...realRandomness, next: () => 0.5 },
    hooks: { onSettledFailed: (...failure) => failures.push(failure) },
  })
  onTestFinished(() => counterfoil.stop())
  const until = (isTrue: () => boolean) => vi.waitUntil(isTrue, { timeout: 10_000, interval: 2 })
  const settlements = () => journal.entries().map(({ settlement }) => settlement)
  return { journal, effect, counterfoil, failures, until, settlements }
}

describe('a settled handler that hangs', () => {
  it('is given up and tried again, and four of them stop no other (P8)', async () => {
    const hung = new Set<string>()
    const marks: string[] = []
    const late: Promise<void>[] = []
    let wake: () => void = () => undefined
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    const { counterfoil, effect, failures, until, settlements } = setUp(async (tx, { id }) => {
      if (id.startsWith('hangs') && !hung.has(id)) {
        hung.add(id)
        tx.onCommit(() => marks.push(`${id} before it hung`))
        const going = woken.then(() => tx.onCommit(() => marks.push(`${id} after it was given up`)))
        late.push(going)
        await going
        return
      }
      tx.onCommit(() => marks.push(id))
    })
    const ids = ['hangs-0', 'hangs-1', 'hangs-2', 'hangs-3', 'other']
    await counterfoil.start()
    await Promise.all(ids.map((id) => counterfoil.perform(effect, { id })))
    await until(() => settlements().every((each) => each === 'done'))
    wake()
    await Promise.allSettled(late)
    expect(marks.toSorted()).toEqual(ids)
    expect(failures.map(([{ key }]) => key).toSorted()).toEqual(ids.slice(0, 4))
    for (const [, error, dead] of failures) {
      expect(error).toBeInstanceOf(SettledTimeout)
      expect(dead).toBe(false)
    }
    await Promise.all(late.map((each) => expect(each).rejects.toThrow('so nothing more can be written in it')))
  })

  it('needs a time above 0', () => {
    const journal = new MemoryJournal({ clock: realClock })
    expect(() => new Counterfoil({ journal, effects: [], settledTimeout: 0 })).toThrow(/settledTimeout is 0/)
  })
})

describe('a dead settled handler', () => {
  it('is told, listed with what it is owed, and tried again when it is asked for', async () => {
    let isBroken = true
    const settled: unknown[] = []
    const { journal, counterfoil, effect, failures, until, settlements } = setUp(
      (_tx, { id }, outcome) => {
        if (isBroken) throw new Error('the handler has a bug')
        settled.push([id, outcome])
      },
      { settledAttempts: 2 },
    )
    await counterfoil.start()
    await counterfoil.perform(effect, { id: 'order-1' })
    await until(() => settlements()[0] === 'dead')
    expect(failures.map(([, , dead]) => dead)).toEqual([false, true])
    const outcome = { kind: 'succeeded', receipt: { id: 'order-1' }, externalId: 'order-1' }
    const [entry] = journal.entries()
    const identity = { effect: 'charge', key: 'order-1', generation: 1, id: entry?.id, reference: entry?.reference }
    const dead = [{ ...identity, outcome, attempts: 2 }]
    expect(await counterfoil.deadSettlements()).toEqual(dead)
    expect(await counterfoil.deadSettlements({ effect, limit: 5 })).toEqual(dead)
    expect(await counterfoil.deadSettlements({ limit: 0 })).toEqual([])

    expect(await counterfoil.retrySettlement(effect, 'order-1')).toBe(true)
    await until(() => settlements()[0] === 'dead')
    expect(failures.map(([, , isDead]) => isDead)).toEqual([false, true, false, true])

    isBroken = false
    expect(await counterfoil.retrySettlement(effect.name, 'order-1')).toBe(true)
    await until(() => settlements()[0] === 'done')
    expect(settled).toEqual([['order-1', outcome]])
    expect(await counterfoil.deadSettlements()).toEqual([])
    for (const key of ['order-1', 'unheard-of']) expect(await counterfoil.retrySettlement(effect, key)).toBe(false)
    const foreign = defineEffect({
      name: 'foreign',
      key: String,
      provider: { execute: async () => null, inDoubt: 'park' },
    })
    await expect(counterfoil.retrySettlement(foreign, 'order-1')).rejects.toMatchObject({ code: 'configuration' })
  })
})
