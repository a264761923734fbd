import { expect, it } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { JournalError } from '../protocol/index.js'
import { Counterfoil, defineEffect } from './index.js'
import { VirtualClock } from './virtual-clock.fixture.js'

const SECOND = 1_000

/** A journal that makes its tables before its first use, and what is done meanwhile. */
function setUp({ makesTablesInMs, failures = 0 }: { readonly makesTablesInMs: number; readonly failures?: number }) {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ clock })
  let asked = 0
  const prepared = Object.assign(journal, {
    prepare: async () => {
      if (asked++ < failures) throw new JournalError('The database is away.', { transient: true })
      await clock.sleep(makesTablesInMs)
    },
  })
  const attempts: number[] = []
  const effect = defineEffect({
    name: 'pay',
    key: ({ id }: { readonly id: string }) => id,
    timeout: '2s',
    maxAttempts: 1,
    patience: 0,
    provider: {
      inDoubt: 'park',
      execute: async (order: { readonly id: string }, call) => {
        attempts.push(call.remainingMs())
        return order
      },
    },
  })
  const counterfoil = new Counterfoil({ journal: prepared, effects: [effect], clock })
  const pay = (wait: number) =>
    counterfoil.perform(effect, { id: 'o1' }, { wait }).then(
      () => 'paid',
      (error: unknown) => error,
    )
  return { clock, journal, attempts, pay }
}

it('a call has its whole time, however long the journal took to make its tables', async () => {
  const { clock, attempts, pay } = setUp({ makesTablesInMs: 10 * SECOND })
  const paid = pay(60 * SECOND)
  await clock.pass(20 * SECOND)
  expect(await paid).toBe('paid')
  expect(attempts).toEqual([2 * SECOND])
})

it('a journal that could not be made ready is asked again', async () => {
  const { clock, attempts, pay } = setUp({ makesTablesInMs: SECOND, failures: 2 })
  const paid = pay(60 * SECOND)
  await clock.pass(20 * SECOND)
  expect(await paid).toBe('paid')
  expect(attempts).toEqual([2 * SECOND])
})

it('nothing is begun for one who did not wait until the journal was ready', async () => {
  const { clock, journal, attempts, pay } = setUp({ makesTablesInMs: 10 * SECOND })
  const given = pay(SECOND)
  let begun = 0
  const begin = journal.beginAndWrite.bind(journal)
  journal.beginAndWrite = (items, writes) => {
    begun += items.length
    return begin(items, writes)
  }
  await clock.pass(60 * SECOND)
  expect(await given).toBeInstanceOf(JournalError)
  expect({ begun, attempts }).toEqual({ begun: 0, attempts: [] })
})
