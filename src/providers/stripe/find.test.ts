import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { realClock } from '../../system/index.js'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { stripePaymentIntents } from './index.js'
import { callFor, errorOf, type Order, order, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(() => {
  gateway.reset()
  gateway.configure({ searchLagMs: 0, level: 'keys' })
})
afterAll(() => gateway.close())

function provider() {
  const { find, ...rest } = stripePaymentIntents(stripeFor(gateway), toParams)
  if (find === undefined) throw new Error('The provider must be able to find.')
  return { ...rest, find }
}

describe('find', () => {
  it('finds what a lost response left, before the search index knows of it', async () => {
    gateway.configure({ searchLagMs: 3_600_000 })
    gateway.fault({ fault: { kind: 'lose_response_after_commit' } })
    const call = callFor('o1')
    expect(await errorOf(provider().execute(order('o1'), call))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([])

    const [charge] = gateway.ledger.charges('o1')
    expect(await provider().find(order('o1'), call)).toMatchObject({ status: 'succeeded', latest_charge: charge?.id })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('finds it where the service honours no key', async () => {
    gateway.configure({ level: 'lookup' })
    gateway.fault({ fault: { kind: '500_after_commit' } })
    const call = callFor('o1')
    expect(await errorOf(provider().execute(order('o1'), call))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([])
    expect(await provider().find(order('o1'), call)).toMatchObject({ status: 'succeeded' })
  })

  it('finds it after the key was pruned', async () => {
    const call = callFor('o1')
    const receipt = await provider().execute(order('o1'), call)
    gateway.pruneKeys()
    expect(await provider().find(order('o1'), call)).toEqual(receipt)
  })

  it('is null only where no payment intent of the window has our reference', async () => {
    await provider().execute(order('o2'), callFor('o2'))
    expect(await provider().find(order('o1'), callFor('o1'))).toBeNull()
  })

  it('reads every page before it says that there is none', async () => {
    const stripe = stripeFor(gateway)
    gateway.configure({ searchLagMs: 3_600_000 })
    const call = callFor('o1')
    const receipt = await provider().execute(order('o1'), call)
    // 250 younger ones, so that ours is on the third page.
    for (let i = 0; i < 250; i++) await stripe.paymentIntents.create({ amount: 100 + i, currency: 'eur' })
    expect(await provider().find(order('o1'), call)).toEqual(receipt)
    expect(await provider().find(order('o9'), callFor('o9'))).toBeNull()
  })

  it('takes the short way by search where there are many, and believes a hit but no miss', async () => {
    const stripe = stripeFor(gateway)
    const call = callFor('o1')
    const receipt = await provider().execute(order('o1'), call)
    for (let i = 0; i < 250; i++) await stripe.paymentIntents.create({ amount: 100 + i, currency: 'eur' })
    const before = gateway.requests.count({ route: 'payment_intents.list' })
    expect(await provider().find(order('o1'), call)).toEqual(receipt)
    expect(gateway.requests.count({ route: 'payment_intents.list' }) - before).toBe(1)

    gateway.fault({ fault: { kind: '500_before_commit' }, route: 'payment_intents.search' })
    expect(await provider().find(order('o1'), call)).toEqual(receipt)
  })

  it('looks only at the time in which an earlier call can have made it', async () => {
    const receipt = await provider().execute(order('o1'), callFor('o1'))
    const hour = 3_600_000
    const now = realClock.wallMs()
    const later = callFor('o1', { firstSentAtMs: now + hour, lastDeadlineAtMs: now + 2 * hour })
    expect(await provider().find(order('o1'), later)).toBeNull()
    const earlier = callFor('o1', { firstSentAtMs: now - 2 * hour, lastDeadlineAtMs: now - hour })
    expect(await provider().find(order('o1'), earlier)).toBeNull()
    // The journal's clock goes four minutes ahead of Stripe's.
    const skewed = callFor('o1', { firstSentAtMs: now + 240_000, lastDeadlineAtMs: now + 270_000 })
    expect(await provider().find(order('o1'), skewed)).toEqual(receipt)
  })

  it('throws where it could not ask: that is never an absence', async () => {
    gateway.fault({ fault: { kind: '500_before_commit' } })
    expect(await errorOf(provider().find(order('o1'), callFor('o1')))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([{ fault: { kind: 'refuse_connection' } }])
    expect(await errorOf(provider().find(order('o1'), callFor('o1')))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([{ fault: { kind: 'rate_limit' } }])
    expect(await errorOf(provider().find(order('o1'), callFor('o1')))).toMatchObject({ name: 'NotExecuted' })
    gateway.setFaults([{ fault: { kind: 'hang' } }])
    expect(await errorOf(provider().find(order('o1'), callFor('o1', { timeoutMs: 100 })))).toMatchObject({
      name: 'OutcomeUnknown',
    })
    gateway.setFaults([])
    expect(await errorOf(provider().find(order('o1'), callFor('o1', { firstSentAtMs: null })))).toMatchObject({
      reason: { code: 'time_of_sending_unknown' },
    })
  })

  it('refused by the service is no refusal of the payment', async () => {
    // At this level the gateway answers a filtered list with 400.
    gateway.configure({ level: 'none' })
    const error = await errorOf(provider().find(order('o1'), callFor('o1')))
    expect(error).toMatchObject({
      name: 'OutcomeUnknown',
      reason: { message: expect.stringContaining('not be asked') },
    })
  })

  it('throws where a later page could not be read, though the first could', async () => {
    const stripe = stripeFor(gateway)
    for (let i = 0; i < 150; i++) await stripe.paymentIntents.create({ amount: 100 + i, currency: 'eur' })
    gateway.fault({ fault: { kind: '500_before_commit' }, route: 'payment_intents.list', nth: 2 })
    expect(await errorOf(provider().find(order('o1'), callFor('o1')))).toMatchObject({
      name: 'OutcomeUnknown',
      reason: { detail: { status: 500 } },
    })
  })
})

describe('what find makes of the state of a payment intent', () => {
  it('declined: rejected for good', async () => {
    const call = callFor('o1')
    const poor = order('o1', { card: 'pm_card_chargeDeclinedLostCard' })
    gateway.fault({ fault: { kind: 'lose_response_after_commit' } })
    expect(await errorOf(provider().execute(poor, call))).toMatchObject({ name: 'OutcomeUnknown' })
    gateway.setFaults([])
    expect(await errorOf(provider().find(poor, call))).toMatchObject({
      name: 'Rejected',
      settlesDoubt: true,
      reason: { code: 'card_declined', detail: { decline_code: 'lost_card' } },
    })
  })

  it('cancelled by somebody: rejected for good, since it holds no money and never will', async () => {
    const call = callFor('o1')
    const held = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      capture_method: 'manual',
    }))
    const { id } = await held.execute(order('o1'), call)
    await stripeFor(gateway).paymentIntents.cancel(id)
    expect(await errorOf(provider().find(order('o1'), call))).toMatchObject({
      name: 'Rejected',
      reason: { code: 'payment_intent_canceled' },
    })
  })

  it('made but not confirmed, where a charge was asked for: not known, neither absent nor refused', async () => {
    const call = callFor('o1')
    const prepared = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      confirm: false,
    }))
    await prepared.execute(order('o1'), call)
    expect(await errorOf(provider().find(order('o1'), call))).toMatchObject({
      name: 'OutcomeUnknown',
      reason: { code: 'payment_intent_unfinished' },
    })
    expect(await prepared.find?.(order('o1'), call)).toMatchObject({ status: 'requires_confirmation' })
  })

  it('waiting for the customer: executed, and says so', async () => {
    const call = callFor('o1')
    const ready = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      error_on_requires_action: false,
    }))
    await ready.execute(order('o1', { card: 'pm_card_authenticationRequired' }), call)
    expect(await ready.find?.(order('o1'), call)).toMatchObject({ status: 'requires_action' })
  })

  it('refunded since: executed, for so it was', async () => {
    const call = callFor('o1')
    const { id } = await provider().execute(order('o1'), call)
    await stripeFor(gateway).refunds.create({ payment_intent: id })
    expect(await provider().find(order('o1'), call)).toMatchObject({ id, status: 'succeeded' })
  })
})

describe('a key', () => {
  it('whose first call failed at the service repeats the failure: it is spent, and find has the answer', async () => {
    gateway.fault({ fault: { kind: '500_after_commit' }, times: 1 })
    const call = callFor('o1')
    expect(await errorOf(provider().execute(order('o1'), call))).toMatchObject({ keySpent: false })
    expect(await errorOf(provider().execute(order('o1'), call))).toMatchObject({
      name: 'OutcomeUnknown',
      keySpent: true,
    })
    expect(await provider().find(order('o1'), call)).toMatchObject({ status: 'succeeded' })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('in use by a call under way is in doubt, not refused', async () => {
    gateway.fault({ fault: { kind: 'delay', beforeCommitMs: 300 }, times: 1 })
    const first = provider().execute(order('o1'), callFor('o1'))
    await gateway.requests.until('received', { method: 'POST' })
    expect(await errorOf(provider().execute(order('o1'), callFor('o1')))).toMatchObject({
      name: 'OutcomeUnknown',
      keySpent: false,
      reason: { code: 'idempotency_key_in_use' },
    })
    await first
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('with other parameters is in doubt and spent: the original exists and is found', async () => {
    const call = callFor('o1')
    const receipt = await provider().execute(order('o1'), call)
    expect(await errorOf(provider().execute(order('o1', { cents: 999 }), call))).toMatchObject({
      name: 'OutcomeUnknown',
      keySpent: true,
      reason: { code: 'idempotency_error' },
    })
    expect(await provider().find(order('o1'), call)).toEqual(receipt)
  })

  it('answers the late commit of a call that was given up', async () => {
    gateway.fault({ fault: { kind: 'commit_after_client_gave_up' }, times: 1 })
    const call = callFor('o1', { timeoutMs: 150 })
    expect(await errorOf(provider().execute(order('o1'), call))).toMatchObject({ name: 'OutcomeUnknown' })
    await gateway.requests.until('executed', { method: 'POST' })
    const again = await provider().execute(order('o1'), callFor('o1'))
    expect(again).toMatchObject({ status: 'succeeded' })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })
})
