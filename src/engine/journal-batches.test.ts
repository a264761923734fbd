import { describe, expect, test } from 'vitest'
import { journalsOfEachKind } from '../../test/support/journals.js'
import { entryId } from '../protocol/index.js'
import { Counterfoil, defineEffect } from './index.js'

describe.each(Object.entries(journalsOfEachKind()))('what a process begins and writes, on %s', (_, fresh) => {
  function setUp() {
    const journal = fresh()
    const calls: string[] = []
    const answers = new Map<string, () => void>()
    const charge = defineEffect<{ readonly order: string }, { readonly id: string }>({
      name: 'charge',
      key: ({ order }) => order,
      provider: {
        execute: ({ order }) => {
          calls.push(order)
          if (!order.startsWith('held')) return Promise.resolve({ id: `ch_${order}` })
          return new Promise((resolve) => answers.set(order, () => resolve({ id: `ch_${order}` })))
        },
        find: () => Promise.resolve(null),
        settlesWithin: 0,
      },
    })
    const counterfoil = new Counterfoil({ journal, effects: [charge] })
    const perform = (order: string) => counterfoil.perform(charge, { order })
    const enqueue = (tx: unknown, order: string) => counterfoil.enqueue(charge, { order }, { tx })
    return { journal, calls, answers, perform, enqueue }
  }

  test('a key in an open transaction delays nobody else: not who begins with it, nor an outcome that comes then', async () => {
    const { journal, calls, answers, perform, enqueue } = setUp()
    const held = perform('held-1')
    await expect.poll(() => answers.size).toBe(1)
    let taken: Promise<unknown> = Promise.resolve()
    await journal.transaction(async (tx) => {
      await enqueue(tx, 'taken')
      taken = perform('taken')
      // They share its batch, the outcome too.
      const others = [perform('a'), perform('b')]
      answers.get('held-1')?.()
      expect(await Promise.all([held, ...others])).toEqual([{ id: 'ch_held-1' }, { id: 'ch_a' }, { id: 'ch_b' }])
      expect(await perform('later')).toEqual({ id: 'ch_later' })
      expect(calls).not.toContain('taken')
    })
    expect(await taken).toEqual({ id: 'ch_taken' })
    expect(calls.filter((order) => order === 'taken')).toHaveLength(1)
    const [entry] = await journal.read([entryId('default', 'charge', 'held-1')])
    expect(entry?.entry.state).toBe('succeeded')
    await journal.close()
  })
})
