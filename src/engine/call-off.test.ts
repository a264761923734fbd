import { describe, expect, it } from 'vitest'
import { journalsOfEachKind } from '../../test/support/journals.js'
import { Counterfoil } from '../counterfoil.js'
import { EffectInDoubt, EffectRejected, entryId, type Journal, NotExecuted } from '../protocol/index.js'
import { defineEffect } from './index.js'

interface Order {
  readonly id: string
}

const ORDER = { id: 'order-1' }
const GROUP = 'checkout of cart-1'
const WHY = { reason: 'the order was cancelled' }
const BY = { actor: 'ada', reason: 'the service is back' }

const journals = journalsOfEachKind()

/** A shop whose service turned its one order away, as often as it is worth: parked, and known not to have happened. */
async function parkedIn(journal: Journal) {
  const service = { isDown: true, live: new Set<string>(), calls: 0 }
  const told: string[] = []
  const charge = defineEffect<Order, { readonly id: string }>({
    name: 'charge',
    key: ({ id }) => id,
    group: () => GROUP,
    provider: {
      execute: async ({ id }) => {
        service.calls++
        if (service.isDown) throw new NotExecuted('refused', 'It turned everybody away.')
        service.live.add(id)
        return { id }
      },
      cancel: async ({ externalId }) => void service.live.delete(externalId),
      inDoubt: 'park',
    },
    settled: (_tx, { id }, { kind }) => {
      told.push(`${id} ${kind}`)
    },
    maxAttempts: 1,
    patience: 0,
  })
  const counterfoil = new Counterfoil({ journal, effects: [charge], pollInterval: 5 })
  const entry = async () => (await journal.read([entryId('default', 'charge', ORDER.id)]))[0]?.entry
  await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectInDoubt)
  expect(await entry()).toMatchObject({ state: 'parked', inDoubtSinceMs: null })
  Object.assign(service, { isDown: false, calls: 0 })
  return { service, told, charge, counterfoil, entry }
}

describe.each(Object.entries(journals))('what is parked and known not to have happened, on %s', (_name, journal) => {
  it('is called off by compensating it: nobody who resumes or repeats it makes it any more', async () => {
    const standing = journal()
    const { service, told, charge, counterfoil, entry } = await parkedIn(standing)
    await expect(counterfoil.compensate(charge, ORDER.id, WHY)).rejects.toMatchObject({
      code: 'compensation_refused',
      reason: { code: 'did_not_happen' },
    })
    expect(await entry()).toMatchObject({ state: 'failed', reason: { code: 'called_off' }, dueAtMs: null })
    expect(told).toEqual(['order-1 failed'])
    expect(await counterfoil.resume(charge, ORDER.id, BY)).toMatchObject({ kind: 'unchanged', state: 'failed' })
    await counterfoil.start()
    await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectRejected)
    await counterfoil.stop()
    expect(service.calls).toBe(0)
    await standing.close()
  })

  it('is called off with its group, which tells it as not happened', async () => {
    const standing = journal()
    const { service, charge, counterfoil, entry } = await parkedIn(standing)
    const { undone, notUndone, notHappened } = await counterfoil.compensateGroup(GROUP, WHY)
    expect([undone, notUndone]).toEqual([[], []])
    expect(notHappened).toMatchObject([{ effect: { key: ORDER.id }, reason: { code: 'did_not_happen' } }])
    expect((await entry())?.state).toBe('failed')
    expect(await counterfoil.resume(charge, ORDER.id, BY)).toMatchObject({ kind: 'unchanged', state: 'failed' })
    expect(service.calls).toBe(0)
    await standing.close()
  })

  it('does not stand in the end, whoever has it tried again while it is compensated', async () => {
    const standing = journal()
    const { service, charge, counterfoil, entry } = await parkedIn(standing)
    await counterfoil.start()
    await Promise.allSettled([
      counterfoil.resume(charge, ORDER.id, BY),
      counterfoil.compensate(charge, ORDER.id, WHY),
      counterfoil.resume(charge, ORDER.id, BY),
    ])
    await counterfoil.stop()
    expect([...service.live]).toEqual([])
    expect(['failed', 'compensated']).toContain((await entry())?.state)
    await standing.close()
  })
})
