import { describe, expect, it } from 'vitest'
import { journalsOfEachKind } from '../../test/support/journals.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type EffectDefinition } from '../engine/index.js'
import { MemoryJournal } from '../journal/memory/index.js'
import { EffectInDoubt, entryId, type Journal, OutcomeUnknown, type Provider } from '../protocol/index.js'
import { realClock } from '../system/index.js'

interface Order {
  readonly id: string
}
interface Receipt {
  readonly id: string
}

const BY = { actor: 'ada', reason: 'the service answers again' }
const ORDER = { id: 'order-1' }

const journals = journalsOfEachKind()

/** A service that honours keys and cannot be asked. It loses its first answers. */
class Service {
  answersLost = 2
  keySpent = false
  calls = 0
  readonly byKey = new Map<string, Receipt>()

  async execute({ id }: Order, { reference }: { readonly reference: string }): Promise<Receipt> {
    this.calls++
    const receipt = this.byKey.get(reference) ?? { id: `ch_${id}_${this.byKey.size}` }
    this.byKey.set(reference, receipt)
    const { keySpent } = this
    if (this.calls <= this.answersLost) throw new OutcomeUnknown('timeout', 'There was no answer.', { keySpent })
    return receipt
  }
}

/** Its calls are lost, and it is parked, in doubt. */
async function parkedIn(
  journal: Journal,
  rest: Partial<EffectDefinition<Order, Receipt, unknown, Order>> = {},
  windowOf: Partial<Provider<Order, Receipt>> = { idempotencyKey: { window: '1h', margin: 0 } },
  service = new Service(),
) {
  const charge = defineEffect<Order, Receipt>({
    name: 'charge',
    key: ({ id }) => id,
    provider: { execute: (order, call) => service.execute(order, call), ...windowOf } as Provider<Order, Receipt>,
    timeout: 5_000,
    maxAttempts: 2,
    patience: 0,
    retryDelay: { first: 1, longest: 1 },
    ...rest,
  })
  const counterfoil = new Counterfoil({ journal, effects: [charge], pollInterval: 5 })
  const entry = async () => (await journal.read([entryId('default', 'charge', ORDER.id)]))[0]?.entry
  await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectInDoubt)
  expect((await entry())?.state).toBe('parked')
  expect((await entry())?.inDoubtSinceMs).not.toBeNull()
  return { service, charge, counterfoil, entry, resume: () => counterfoil.resume(charge, ORDER.id, BY) }
}

describe.each(Object.entries(journals))('resuming a doubt that nobody can look up, on %s', (_name, journal) => {
  it('has it called again under its key while that protects the call, and it happens once (P4 a)', async () => {
    const standing = journal()
    const { service, charge, counterfoil, entry, resume } = await parkedIn(standing)
    const before = await entry()
    expect(await resume()).toEqual({ kind: 'resumed', state: 'in_doubt' })
    expect(await entry()).toMatchObject({
      reason: { code: 'resumed', detail: { ...BY, parkedFor: 'attempts_exhausted' } },
      inDoubtSinceMs: before?.inDoubtSinceMs,
      firstSentAtMs: before?.firstSentAtMs,
    })
    await counterfoil.start()
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_order-1_0' })
    await counterfoil.stop()
    expect(service.byKey.size).toBe(1)
    expect(service.calls).toBe(3)
    await standing.close()
  })

  it('does it once, however many ask at once', async () => {
    const standing = journal()
    const { service, charge, counterfoil, resume } = await parkedIn(standing)
    const resumed = await Promise.all(Array.from({ length: 5 }, () => resume()))
    expect(resumed.filter(({ kind }) => kind === 'resumed')).toHaveLength(1)
    await counterfoil.perform(charge, ORDER)
    expect(service.calls).toBe(3)
    await standing.close()
  })
})

describe('a doubt that nobody can look up stays parked, and nothing is sent', () => {
  const memory = () => new MemoryJournal({ clock: realClock }) as Journal

  it('where the window of its key is over', async () => {
    const window = { idempotencyKey: { window: 60, margin: 0 } } as Partial<Provider<Order, Receipt>>
    const { service, entry, resume } = await parkedIn(memory(), { timeout: 50 }, window)
    await realClock.sleep(20)
    const [before, calls] = [await entry(), service.calls]
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'key_expired' } })
    expect(await entry()).toEqual(before)
    expect(service.calls).toBe(calls)
  })

  it('where the service only repeats a stored answer under its key', async () => {
    const service = Object.assign(new Service(), { keySpent: true })
    const { resume } = await parkedIn(memory(), {}, undefined, service)
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'key_spent' } })
    expect(service.calls).toBe(1)
  })

  it('where it has a serializeBy, since those behind it went on', async () => {
    const { service, resume } = await parkedIn(memory(), { serializeBy: () => 'a customer' })
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'out_of_line' } })
    expect(service.calls).toBe(2)
  })
})
