import { describe, expect, it } from 'vitest'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type EffectDefinition } from '../engine/index.js'
import { MemoryJournal } from '../journal/memory/index.js'
import {
  ConfigurationError,
  EffectInDoubt,
  EffectRejected,
  entryId,
  NotExecuted,
  OutcomeUnknown,
  type Provider,
  Rejected,
} from '../protocol/index.js'
import { realClock } from '../system/index.js'

interface Order {
  readonly id: string
}
interface Receipt {
  readonly id: string
}

const BY = { actor: 'ada', reason: 'the service is back' }
const ORDER = { id: 'order-1' }

/** A service that a test breaks and mends, and what it did. */
class Service {
  does: 'turn away' | 'lose the answer' | 'lose the request' | 'decline' | 'work' = 'work'
  says: 'the truth' | 'nothing' = 'the truth'
  readonly done: string[] = []
  calls = 0

  async execute({ id }: Order): Promise<Receipt> {
    this.calls++
    if (this.does === 'turn away') throw new NotExecuted('unavailable', 'It is down.')
    if (this.does === 'decline') throw new Rejected('declined', 'Declined.')
    if (this.does !== 'lose the request') this.done.push(id)
    if (this.does !== 'work') throw new OutcomeUnknown('timeout', 'There was no answer.')
    return { id: `ch_${id}` }
  }

  async find({ id }: Order): Promise<Receipt | null> {
    if (this.says === 'nothing') throw new Error('It is down.')
    return this.done.includes(id) ? { id: `ch_${id}` } : null
  }
}

/** One call or look-up in vain, and it is parked. */
function setUp(
  capabilities: Partial<Provider<Order, Receipt>> = {},
  rest: Partial<EffectDefinition<Order, Receipt, unknown, Order>> = {},
) {
  const service = new Service()
  const find = (order: Order) => service.find(order)
  const provider = { execute: (order: Order) => service.execute(order), find, settlesWithin: 5, ...capabilities }
  const charge = defineEffect<Order, Receipt, unknown>({
    name: 'charge',
    key: ({ id }) => id,
    provider: provider as Provider<Order, Receipt>,
    timeout: 50,
    maxAttempts: 1,
    patience: 0,
    maxFindFailures: 1,
    retryDelay: { first: 1, longest: 1 },
    ...rest,
  })
  const journal = new MemoryJournal({ clock: realClock })
  const counterfoil = new Counterfoil({ journal, effects: [charge], pollInterval: 5 })
  const entry = async () => (await journal.read([entryId('default', 'charge', ORDER.id)]))[0]?.entry
  const parked = async () => {
    await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectInDoubt)
    expect((await entry())?.state).toBe('parked')
  }
  return { service, charge, counterfoil, entry, parked, resume: () => counterfoil.resume(charge, ORDER.id, BY) }
}

describe('resuming a parked effect', () => {
  it('has it tried again where it is known not to have happened, and the loop makes it, once', async () => {
    const { service, charge, counterfoil, entry, parked, resume } = setUp()
    service.does = 'turn away'
    await parked()
    service.does = 'work'
    expect(await resume()).toEqual({ kind: 'resumed', state: 'pending' })
    expect((await entry())?.reason).toMatchObject({
      code: 'resumed',
      detail: { ...BY, parkedFor: 'attempts_exhausted' },
    })
    await counterfoil.start()
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_order-1' })
    await counterfoil.stop()
    expect(service.done).toEqual(['order-1'])
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'succeeded', reason: { code: 'not_parked' } })
  })

  it('makes no second call for what happened: the service is asked, and its word settles it', async () => {
    const { service, charge, counterfoil, parked, resume } = setUp()
    service.does = 'lose the answer'
    service.says = 'nothing'
    await parked()
    service.does = 'work'
    service.says = 'the truth'
    expect(await resume()).toEqual({ kind: 'settled', state: 'succeeded' })
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_order-1' })
    expect(service.calls).toBe(1)
  })

  it('has it tried again where the service says, late enough, that it did not happen (P4 b)', async () => {
    const { service, charge, counterfoil, parked, resume } = setUp()
    service.does = 'lose the request'
    service.says = 'nothing'
    await parked()
    service.does = 'work'
    service.says = 'the truth'
    await realClock.sleep(20)
    expect(await resume()).toEqual({ kind: 'resumed', state: 'pending' })
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_order-1' })
    expect(service.done).toEqual(['order-1'])
  })

  it('leaves it parked where it may still appear, and says so', async () => {
    const { service, entry, parked, resume } = setUp({ settlesWithin: '1h' })
    service.does = 'lose the request'
    service.says = 'nothing'
    await parked()
    service.says = 'the truth'
    const before = await entry()
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'may_still_appear' } })
    expect(await entry()).toEqual(before)
  })

  it('leaves it parked where the service could not be asked: that is no absence (P5)', async () => {
    const { service, entry, parked, resume } = setUp()
    service.does = 'lose the request'
    service.says = 'nothing'
    await parked()
    const before = await entry()
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { message: 'It is down.' } })
    expect(await entry()).toEqual(before)
    expect(service.calls).toBe(1)
  })

  it('leaves a doubt parked that no look-up can end, whoever asks for it', async () => {
    const { service, parked, resume } = setUp({ find: undefined, settlesWithin: undefined, inDoubt: 'park' } as object)
    service.does = 'lose the request'
    await parked()
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'no_way_to_know' } })
    expect(service.calls).toBe(1)
  })

  it('lets a rejection stand (P6), and knows nothing of a key that there is not', async () => {
    const { service, charge, counterfoil, resume } = setUp()
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: null, reason: { code: 'no_such_effect' } })
    service.does = 'decline'
    await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectRejected)
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'failed', reason: { code: 'not_parked' } })
  })

  it('resumes it once, however many ask at once', async () => {
    const { service, charge, counterfoil, parked, resume } = setUp()
    service.does = 'turn away'
    await parked()
    service.does = 'work'
    const resumed = await Promise.all(Array.from({ length: 5 }, () => resume()))
    expect(resumed.filter(({ kind }) => kind === 'resumed')).toHaveLength(1)
    await counterfoil.perform(charge, ORDER)
    expect(service.done).toEqual(['order-1'])
  })

  it('parks it again where that brought nothing, and it can be resumed again', async () => {
    const { service, charge, counterfoil, entry, parked, resume } = setUp({}, { maxAttempts: 2 })
    service.does = 'turn away'
    await parked()
    expect(service.calls).toBe(2)
    await resume()
    await parked()
    // As many as one has left that was called once.
    expect(service.calls).toBe(3)
    expect((await entry())?.reason?.code).toBe('attempts_exhausted')
    service.does = 'work'
    await resume()
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_order-1' })
  })

  it('has an undoing tried again by the name and key that onParked tells, and it is undone once', async () => {
    let isDown = true
    const undone: string[] = []
    const told: { readonly effect: string; readonly key: string }[] = []
    const charge = defineEffect<Order, Receipt, unknown>({
      name: 'charge',
      key: ({ id }) => id,
      provider: {
        execute: async ({ id }) => ({ id: `ch_${id}` }),
        inDoubt: 'park',
        cancel: async ({ externalId }) => {
          if (isDown) throw new NotExecuted('unavailable', 'It is down.')
          undone.push(externalId)
        },
      },
      maxAttempts: 1,
      patience: 0,
    })
    const journal = new MemoryJournal({ clock: realClock })
    const hooks = { onParked: (identity: (typeof told)[number]) => void told.push(identity) }
    const counterfoil = new Counterfoil({ journal, effects: [charge], hooks })
    await counterfoil.perform(charge, ORDER)
    const compensate = () => counterfoil.compensate(charge, ORDER.id, { reason: 'returned' })
    await expect(compensate()).rejects.toThrow(EffectInDoubt)
    isDown = false
    const [parked] = told
    expect(await counterfoil.resume(parked?.effect ?? '', parked?.key ?? '', BY)).toMatchObject({ kind: 'resumed' })
    expect(await compensate()).toMatchObject({ externalId: 'ch_order-1' })
    expect(undone).toEqual(['ch_order-1'])
  })

  it('takes the name of an effect as a hook tells it, and needs an actor and a reason', async () => {
    const { service, counterfoil, parked, resume } = setUp()
    service.does = 'turn away'
    await parked()
    for (const by of [
      { ...BY, actor: ' ' },
      { ...BY, reason: '' },
    ]) {
      await expect(counterfoil.resume('charge', ORDER.id, by)).rejects.toThrow(ConfigurationError)
    }
    await expect(counterfoil.resume('no such effect', ORDER.id, BY)).rejects.toThrow(ConfigurationError)
    expect(await counterfoil.resume('charge', ORDER.id, BY)).toMatchObject({ kind: 'resumed' })
    expect(await resume()).toMatchObject({ kind: 'unchanged', state: 'pending' })
  })
})
