import { expect, it } from 'vitest'
import { MemoryJournal, type MemoryTransaction } from '../journal/memory/index.js'
import { realClock } from '../system/index.js'
import type { Context } from './context.js'
import { Handlers, SETTLEMENTS_AT_ONCE } from './handlers.js'

it('handlers that hang do not gather those of all further outcomes in their process: these wait in the journal', async () => {
  const journal = new MemoryJournal({ clock: realClock })
  let begun = 0
  journal.settle = () => {
    begun++
    return new Promise(() => undefined)
  }
  const context = {
    journal,
    clock: realClock,
    hooks: {},
    settledTimeoutMs: 60_000,
  } as unknown as Context<MemoryTransaction>
  const handlers = new Handlers(context)
  for (let i = 0; i < 1_000; i++) void handlers.run(`entry-${i}`, 'own')
  expect(await handlers.run('one-more', 'own')).toBe(false)
  expect(begun).toBe(SETTLEMENTS_AT_ONCE)
  expect(handlers.isUnderWay('one-more')).toBe(false)
})
