import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ExternalOperation, Provider } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { type PaymentIntentReceipt, stripePaymentIntents } from './index.js'
import { callFor, errorOf, type Order, order, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway.reset())
afterAll(() => gateway.close())

type Charges = Provider<Order, PaymentIntentReceipt>

const charges = (): Charges => stripePaymentIntents(stripeFor(gateway), toParams)
const holds = (): Charges =>
  stripePaymentIntents(stripeFor(gateway), (o: Order) => ({ ...toParams(o), capture_method: 'manual' }))

function cancel(provider: Charges, externalId: string, changes: { minorUnits?: number; reason?: string } = {}) {
  if (typeof provider.cancel !== 'object') throw new Error('The provider must be able to cancel, and to look it up.')
  const { minorUnits = null, reason = 'charged twice' } = changes
  const call = callFor(`cancel ${externalId}`, { firstSentAtMs: null, lastDeadlineAtMs: null })
  return provider.cancel.execute({ externalId, receipt: null, minorUnits, reason }, call)
}

async function all(operations: AsyncIterable<ExternalOperation> | undefined): Promise<ExternalOperation[]> {
  const found: ExternalOperation[] = []
  for await (const operation of operations ?? []) found.push(operation)
  return found
}

async function listed(provider: Charges, fromMs: number, toMs: number): Promise<ExternalOperation[]> {
  if (provider.list === undefined) throw new Error('The provider must be able to list.')
  return all(provider.list({ fromMs, toMs, signal: new AbortController().signal }))
}

describe('cancel', () => {
  it('refunds a payment, once, however often it is asked', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    const first = await cancel(charges(), id)
    expect(first).toMatchObject({ object: 'refund', status: 'succeeded', amount: 1200, currency: 'eur' })
    expect(await cancel(charges(), id)).toEqual(first)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'refunded' }])
    expect(gateway.requests.count({ route: 'refunds.create' })).toBe(1)
  })

  it('makes one refund, also after its response was lost and its key was pruned', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    gateway.fault({ fault: { kind: 'lose_response_after_commit' }, route: 'refunds.create' })
    expect(await errorOf(cancel(charges(), id, { minorUnits: 500 }))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([])
    gateway.pruneKeys()
    expect(await cancel(charges(), id, { minorUnits: 500 })).toMatchObject({ object: 'refund', amount: 500 })
    expect(gateway.requests.count({ route: 'refunds.create' })).toBe(1)
  })

  it('says in the refund whose it is and why', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    await cancel(charges(), id, { reason: 'duplicate' })
    const { data } = await stripeFor(gateway).refunds.list({ payment_intent: id })
    expect(data).toMatchObject([
      { reason: 'duplicate', metadata: { counterfoil_key: `cancel ${id}`, counterfoil_reason: 'duplicate' } },
    ])
  })

  it('cancels what is only held, so that nothing was ever charged', async () => {
    const { id } = await holds().execute(order('o1'), callFor('o1'))
    expect(await cancel(holds(), id)).toMatchObject({ object: 'payment_intent', status: 'canceled', amount: 1200 })
    expect(await cancel(holds(), id)).toMatchObject({ status: 'canceled' })
    expect(gateway.requests.count({ route: 'payment_intents.cancel' })).toBe(1)
    expect(gateway.requests.count({ route: 'refunds.create' })).toBe(0)
  })

  it('refuses to cancel a part of what is only held', async () => {
    const { id } = await holds().execute(order('o1'), callFor('o1'))
    expect(await errorOf(cancel(holds(), id, { minorUnits: 1 }))).toMatchObject({
      name: 'Rejected',
      reason: { code: 'partial_cancel' },
    })
    expect(gateway.requests.count({ route: 'payment_intents.cancel' })).toBe(0)
  })

  it('is content where somebody else has given all back', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    await stripeFor(gateway).refunds.create({ payment_intent: id })
    expect(await cancel(charges(), id)).toMatchObject({ status: 'already_refunded', amount: 0 })
  })

  it('refuses for good to give back more than there is', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    expect(await errorOf(cancel(charges(), id, { minorUnits: 1201 }))).toMatchObject({ name: 'Rejected' })
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'live' }])
  })

  it('refuses for good what does not exist', async () => {
    expect(await errorOf(cancel(charges(), 'pi_unknown'))).toMatchObject({
      name: 'Rejected',
      reason: { code: 'resource_missing' },
    })
  })

  it('has undone nothing where the payment could not be read', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    gateway.fault({ fault: { kind: '500_before_commit' }, method: 'GET' })
    expect(await errorOf(cancel(charges(), id))).toMatchObject({
      name: 'NotExecuted',
      reason: { code: 'could_not_read' },
    })
    gateway.setFaults([{ fault: { kind: 'lose_response_after_commit' }, method: 'GET' }])
    expect(await errorOf(cancel(charges(), id))).toMatchObject({
      name: 'NotExecuted',
      reason: { code: 'could_not_read' },
    })
    expect(gateway.requests.count({ method: 'POST' })).toBe(1)
  })
})

describe('what became of a cancel', () => {
  const look = (provider: Charges, externalId: string) => {
    if (typeof provider.cancel !== 'object' || provider.cancel.find === undefined) throw new Error('It must be found.')
    return provider.cancel.find(
      { externalId, receipt: null, minorUnits: null, reason: '' },
      callFor(`cancel ${externalId}`),
    )
  }

  it('is found by our reference, and absent where only others refunded', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    expect(await look(charges(), id)).toBeNull()
    await stripeFor(gateway).refunds.create({ payment_intent: id, amount: 100 })
    expect(await look(charges(), id)).toBeNull()
    const undone = await cancel(charges(), id, { minorUnits: 200 })
    expect(await look(charges(), id)).toEqual(undone)
  })

  it('is the cancelled payment intent itself, where money was only held', async () => {
    const { id } = await holds().execute(order('o1'), callFor('o1'))
    expect(await look(holds(), id)).toBeNull()
    await cancel(holds(), id)
    expect(await look(holds(), id)).toMatchObject({ object: 'payment_intent', status: 'canceled' })
  })

  it('is not known where Stripe could not be asked', async () => {
    const { id } = await charges().execute(order('o1'), callFor('o1'))
    gateway.fault({ fault: { kind: '500_before_commit' }, route: 'refunds.list' })
    expect(await errorOf(look(charges(), id))).toMatchObject({ name: 'NotExecuted' })
  })
})

describe('list', () => {
  it('shows every operation with its amount, what was undone, and whose it is', async () => {
    const stripe = stripeFor(gateway)
    const paid = await charges().execute(order('paid'), callFor('paid'))
    const partly = await charges().execute(order('partly'), callFor('partly'))
    await cancel(charges(), partly.id, { minorUnits: 200 })
    const refunded = await charges().execute(order('refunded'), callFor('refunded'))
    await cancel(charges(), refunded.id)
    const held = await holds().execute(order('held'), callFor('held'))
    const voided = await holds().execute(order('voided'), callFor('voided'))
    await cancel(holds(), voided.id)
    const declined = order('declined', { card: 'pm_card_chargeDeclined' })
    await errorOf(charges().execute(declined, callFor('declined')))
    const foreign = await stripe.paymentIntents.create({ amount: 50, currency: 'usd' })

    const now = realClock.wallMs()
    const operations = await listed(charges(), now - 60_000, now + 60_000)
    const row = (key: string | null) => operations.find((operation) => operation.key === key)
    const eur = (minorUnits: number, undoneMinorUnits: number) => ({ minorUnits, currency: 'eur', undoneMinorUnits })
    expect(operations).toHaveLength(7)
    expect(row('paid')).toMatchObject({ externalId: paid.id, state: 'live', amount: eur(1200, 0) })
    expect(row('paid')?.reference).toBe(callFor('paid').reference)
    expect(row('partly')).toMatchObject({ state: 'live', amount: eur(1200, 200) })
    expect(row('refunded')).toMatchObject({ state: 'undone', amount: eur(1200, 1200) })
    expect(row('held')).toMatchObject({ externalId: held.id, state: 'live', amount: eur(1200, 0) })
    expect(row('voided')).toMatchObject({ state: 'undone', amount: eur(1200, 1200) })
    expect(row('declined')).toMatchObject({ state: 'pending' })
    expect(row(null)).toMatchObject({ externalId: foreign.id, reference: null, state: 'pending' })
  })

  it('streams page by page: who stops early asks for no more', async () => {
    const stripe = stripeFor(gateway)
    for (let i = 0; i < 120; i++) await stripe.paymentIntents.create({ amount: 100 + i, currency: 'eur' })
    const now = realClock.wallMs()
    expect(await listed(charges(), now - 60_000, now + 60_000)).toHaveLength(120)
    expect(gateway.requests.count({ route: 'payment_intents.list' })).toBe(2)

    const signal = new AbortController().signal
    for await (const _first of charges().list?.({ fromMs: now - 60_000, toMs: now + 60_000, signal }) ?? []) break
    expect(gateway.requests.count({ route: 'payment_intents.list' })).toBe(3)
  })

  it('goes on behind any operation of an earlier list', async () => {
    const stripe = stripeFor(gateway)
    for (let i = 0; i < 5; i++) await stripe.paymentIntents.create({ amount: 100 + i, currency: 'eur' })
    const now = realClock.wallMs()
    const whole = await listed(charges(), now - 60_000, now + 60_000)
    const after = whole[1]?.cursor ?? ''
    const { signal } = new AbortController()
    const rest = await all(charges().list?.({ fromMs: now - 60_000, toMs: now + 60_000, signal, after }))
    expect(rest).toEqual(whole.slice(2))
  })

  it('shows an operation in exactly one of two windows that touch', async () => {
    const { created } = await charges().execute(order('o1'), callFor('o1'))
    const edge = created * 1000
    for (const middle of [edge - 1, edge, edge + 1, edge + 999]) {
      const both = [
        ...(await listed(charges(), edge - 60_000, middle)),
        ...(await listed(charges(), middle, edge + 60_000)),
      ]
      expect(both).toHaveLength(1)
    }
  })

  it('stops with an error when it is told to, and sends no more', async () => {
    await charges().execute(order('o1'), callFor('o1'))
    const abort = new AbortController()
    abort.abort()
    const window = { fromMs: 0, toMs: realClock.wallMs() + 60_000, signal: abort.signal }
    const before = gateway.requests.count()
    expect(await errorOf(all(charges().list?.(window)))).toMatchObject({ name: 'NotExecuted' })
    expect(gateway.requests.count()).toBe(before)
  })
})
