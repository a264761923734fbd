import { expect, it } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { JournalError } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, defineEffect } from './index.js'

/** A journal that cannot be used at its first so many looks, and a Counterfoil that carries what is due in it. */
function setUp({ failures }: { readonly failures: number }) {
  const journal = new MemoryJournal({ clock: realClock })
  const look = journal.nextDueInMs.bind(journal)
  let looks = 0
  journal.nextDueInMs = async (terms) => {
    if (looks++ < failures) throw new JournalError('The database is down.')
    return look(terms)
  }
  let tellCall: (key: string) => void = () => undefined
  const called = new Promise<string>((resolve) => {
    tellCall = resolve
  })
  const effect = defineEffect({
    name: 'charge',
    key: (order: { readonly id: string }) => order.id,
    provider: {
      execute: async ({ id }: { readonly id: string }) => {
        tellCall(id)
        return { id }
      },
      inDoubt: 'park',
    },
  })
  return { effect, called, counterfoil: new Counterfoil({ journal, effects: [effect], pollInterval: 20 }) }
}

it('a start that failed can be tried again, and then the loop runs', async () => {
  const { counterfoil, effect, called } = setUp({ failures: 2 })
  await counterfoil.enqueue(effect, { id: 'order-1' })
  await expect(counterfoil.start()).rejects.toThrow(JournalError)
  await expect(counterfoil.start()).rejects.toThrow(JournalError)
  await counterfoil.start()
  expect(await called).toBe('order-1')
  await counterfoil.stop()
})

it('whoever starts what is being started already hears of the same failure', async () => {
  const { counterfoil } = setUp({ failures: 1 })
  const both = await Promise.allSettled([counterfoil.start(), counterfoil.start()])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await counterfoil.stop()
})

it('a stop during a start that fails leaves nothing running, and a later start works', async () => {
  const { counterfoil, effect, called } = setUp({ failures: 1 })
  const starting = counterfoil.start()
  const stopping = counterfoil.stop()
  await expect(starting).rejects.toThrow(JournalError)
  await stopping
  await counterfoil.enqueue(effect, { id: 'order-1' })
  await counterfoil.start()
  expect(await called).toBe('order-1')
  await counterfoil.stop()
})
