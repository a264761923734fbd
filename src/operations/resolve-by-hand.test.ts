import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, it } from 'vitest'
import { journalsOfEachKind } from '../../test/support/journals.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type EffectDefinition, type SettledOutcome } from '../engine/index.js'
import {
  ConfigurationError,
  EffectInDoubt,
  EffectRejected,
  entryId,
  GenerationNotOpenError,
  InvalidInputError,
  type Journal,
  NotExecuted,
  OutcomeUnknown,
  type Provider,
} from '../protocol/index.js'
import type { SeenByHand } from './index.js'

interface Order {
  readonly id: string
}
interface Receipt {
  readonly id: string
}

const BY = { actor: 'ada', reason: 'I looked at the dashboard' }
const MARK = 'ada: I looked at the dashboard'
const ORDER = { id: 'order-1' }
const YES: SeenByHand = { happened: true, receipt: { id: 'ch_1' } }
const NO: SeenByHand = { happened: false }

const journals = journalsOfEachKind()

const RECEIPT: StandardSchemaV1<unknown, Receipt> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'id' in value
        ? { value: value as Receipt }
        : { issues: [{ message: 'it has no id' }] },
  },
}

/** A service that loses its one answer, and that nobody can ask unless a test says so: parked, in doubt. */
async function parkedIn(
  journal: Journal,
  asked: Partial<Provider<Order, Receipt>> = { inDoubt: 'park' } as object,
  rest: Partial<EffectDefinition<Order, Receipt, unknown, Order>> = {},
) {
  const service = { calls: 0, undone: [] as string[] }
  const told: SettledOutcome<Receipt>[] = []
  let tellSettled = () => {}
  const settled = new Promise<void>((resolve) => {
    tellSettled = resolve
  })
  const charge = defineEffect<Order, Receipt>({
    name: 'charge',
    key: ({ id }) => id,
    provider: {
      execute: async () => {
        service.calls++
        throw new OutcomeUnknown('timeout', 'There was no answer.')
      },
      cancel: async ({ externalId }: { readonly externalId: string }) => void service.undone.push(externalId),
      ...asked,
    } as Provider<Order, Receipt>,
    settled: (_tx, _order, outcome) => {
      told.push(outcome)
      tellSettled()
    },
    maxAttempts: 1,
    maxFindFailures: 1,
    patience: 0,
    retryDelay: { first: 1, longest: 1 },
    ...rest,
  })
  const counterfoil = new Counterfoil({ journal, effects: [charge], pollInterval: 5 })
  const entry = async () => (await journal.read([entryId('default', 'charge', ORDER.id)]))[0]?.entry
  await expect(counterfoil.perform(charge, ORDER)).rejects.toThrow(EffectInDoubt)
  const before = await entry()
  expect(before?.state).toBe('parked')
  const say = (what: SeenByHand, by = BY) => counterfoil.resolveByHand(charge, ORDER.id, what, by)
  return { service, told, settled, charge, counterfoil, entry, before, say }
}

describe.each(Object.entries(journals))('a doubt that a person ends by hand, on %s', (_name, journal) => {
  it('answers every later caller with the receipt that was given, is told to its handler, and stays marked', async () => {
    const standing = journal()
    const { service, told, charge, counterfoil, entry, say } = await parkedIn(standing)
    expect(await say(YES)).toEqual({ kind: 'forced', state: 'succeeded', forcedBy: MARK })
    expect(await entry()).toMatchObject({ state: 'succeeded', externalId: 'ch_1', forcedBy: MARK, settlement: 'done' })
    expect(told).toEqual([{ kind: 'succeeded', receipt: { id: 'ch_1' }, externalId: 'ch_1', forcedBy: MARK }])
    expect(await counterfoil.perform(charge, ORDER)).toEqual({ id: 'ch_1' })
    await counterfoil.compensate(charge, ORDER.id, { reason: 'returned' })
    expect(service).toEqual({ calls: 1, undone: ['ch_1'] })
    expect(await entry()).toMatchObject({ state: 'compensated', forcedBy: MARK })
    await standing.close()
  })

  it('as one that did not happen stays so: no duplicate, no resume and no new generation makes it (P6)', async () => {
    const standing = journal()
    const { service, told, charge, counterfoil, entry, say } = await parkedIn(standing)
    expect(await say(NO)).toEqual({ kind: 'forced', state: 'failed', forcedBy: MARK })
    expect(told).toMatchObject([{ kind: 'failed', code: 'resolved_by_hand', forcedBy: MARK }])
    expect(await entry()).toMatchObject({ state: 'failed', forcedBy: MARK, reason: { detail: BY } })
    await counterfoil.start()
    const duplicate = await counterfoil.perform(charge, ORDER).catch((error: unknown) => error)
    expect(duplicate).toBeInstanceOf(EffectRejected)
    expect(duplicate).toMatchObject({ forcedBy: MARK, message: expect.stringContaining('no new generation') })
    await expect(counterfoil.perform(charge, ORDER, { generation: 2 })).rejects.toThrow(GenerationNotOpenError)
    expect(await counterfoil.resume(charge, ORDER.id, BY)).toMatchObject({ kind: 'unchanged', state: 'failed' })
    await counterfoil.stop()
    expect(service.calls).toBe(1)
    await standing.close()
  })

  it('is ended once: the same said again changes nothing, and the opposite is refused', async () => {
    const standing = journal()
    const { told, settled, counterfoil, entry, say } = await parkedIn(standing)
    const same = await Promise.all(Array.from({ length: 5 }, () => say(YES)))
    expect(new Set(same.map((each) => JSON.stringify(each))).size).toBe(1)
    // Those that came too late lock its row for a moment, and whoever skips a locked row leaves the handler to the loop.
    await counterfoil.start()
    await settled
    await counterfoil.stop()
    const before = await entry()
    expect(await say(YES, { actor: 'grace', reason: 'I saw it too' })).toMatchObject({ kind: 'forced', forcedBy: MARK })
    for (const other of [NO, { happened: true, receipt: { id: 'ch_2' } } as const]) {
      expect(await say(other)).toMatchObject({ kind: 'unchanged', state: 'succeeded', reason: { code: 'not_parked' } })
    }
    expect(await entry()).toEqual(before)
    expect(told).toHaveLength(1)
    await standing.close()
  })
})

describe('a person’s word', () => {
  it('is not taken where the service can be asked and says otherwise, or cannot know yet', async () => {
    const shown: Receipt[] = []
    let isDown = true
    const find = async () => {
      if (isDown) throw new Error('It is down.')
      return shown[0] ?? null
    }
    const { entry, before, say } = await parkedIn(journals['the memory journal'](), {
      find,
      settlesWithin: '1h',
    } as object)
    isDown = false
    expect(await say(NO)).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'may_still_appear' } })
    shown.push({ id: 'ch_7' })
    const otherwise = { kind: 'unchanged', reason: { code: 'service_says_otherwise' } }
    expect(await say(NO)).toMatchObject(otherwise)
    expect(await entry()).toEqual(before)
    expect(await say(YES)).toEqual({ kind: 'settled', state: 'succeeded' })
    expect(await entry()).toMatchObject({ externalId: 'ch_7', receipt: { id: 'ch_7' }, forcedBy: null })
  })

  it('is taken where the service cannot be asked though it has a look-up (P5)', async () => {
    const find = () => Promise.reject(new Error('It is down.'))
    const { say } = await parkedIn(journals['the memory journal'](), { find, settlesWithin: 1 } as object)
    expect(await say(YES)).toEqual({ kind: 'forced', state: 'succeeded', forcedBy: MARK })
  })

  it('is not needed for what is known not to have happened, and says so', async () => {
    const { counterfoil, entry, before, charge } = await parkedIn(journals['the memory journal'](), {
      execute: () => Promise.reject(new NotExecuted('refused', 'It turned everybody away.')),
      inDoubt: 'park',
    } as object)
    expect(before?.inDoubtSinceMs).toBeNull()
    for (const what of [YES, NO]) {
      const answer = await counterfoil.resolveByHand(charge, ORDER.id, what, BY)
      expect(answer).toMatchObject({ kind: 'unchanged', state: 'parked', reason: { code: 'not_in_doubt' } })
    }
    expect(await entry()).toEqual(before)
  })

  it('needs an actor, a reason and an answer that makes sense, before anything is written', async () => {
    const { counterfoil, charge, entry, before, say } = await parkedIn(journals['the memory journal'](), undefined, {
      receipt: RECEIPT,
    })
    for (const by of [
      { ...BY, actor: ' ' },
      { ...BY, reason: '' },
    ]) {
      await expect(say(NO, by)).rejects.toThrow(ConfigurationError)
    }
    await expect(say({ happened: true, receipt: null })).rejects.toThrow(/refused by its schema: it has no id/)
    await expect(say({ happened: true, receipt: { id: 1n } })).rejects.toThrow(InvalidInputError)
    await expect(say({ ...YES, externalId: '' } as SeenByHand)).rejects.toThrow(ConfigurationError)
    await expect(say({} as SeenByHand)).rejects.toThrow(/neither true nor false/)
    await expect(counterfoil.resolveByHand('no such effect', ORDER.id, NO, BY)).rejects.toThrow(ConfigurationError)
    expect(await counterfoil.resolveByHand(charge, 'no such key', NO, BY)).toMatchObject({ state: null })
    expect(await entry()).toEqual(before)
  })

  it('ends an undoing too, by the name and key that onParked tells', async () => {
    const told: { readonly effect: string; readonly key: string }[] = []
    const charge = defineEffect<Order, Receipt>({
      name: 'charge',
      key: ({ id }) => id,
      provider: {
        execute: async ({ id }) => ({ id: `ch_${id}` }),
        inDoubt: 'park',
        cancel: () => Promise.reject(new OutcomeUnknown('timeout', 'There was no answer.')),
      },
    })
    const hooks = { onParked: (identity: (typeof told)[number]) => void told.push(identity) }
    const counterfoil = new Counterfoil({ journal: journals['the memory journal'](), effects: [charge], hooks })
    await counterfoil.perform(charge, ORDER)
    const compensate = () => counterfoil.compensate(charge, ORDER.id, { reason: 'returned' })
    await expect(compensate()).rejects.toThrow(EffectInDoubt)
    const [{ effect, key } = { effect: '', key: '' }] = told
    const refunded: SeenByHand = { happened: true, receipt: null }
    expect(await counterfoil.resolveByHand(effect, key, refunded, BY)).toMatchObject({ kind: 'forced' })
    expect(await compensate()).toMatchObject({ externalId: 'ch_order-1', receipt: null })
    await expect(counterfoil.perform(charge, ORDER)).rejects.toMatchObject({ state: 'compensated' })
  })
})
