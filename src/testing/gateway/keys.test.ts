import { describe, expect, it } from 'vitest'
import { type Clock, realClock } from '../../system/index.js'
import { gatewayAndStripe, heldClock, payment, stripeAt, stripeErrorOf } from './gateway.fixture.js'

const key = (idempotencyKey: string) => ({ idempotencyKey })

describe('idempotency keys, as Stripe documents them', () => {
  it('the same key and parameters get the first response again, and nothing is executed again', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const first = await stripe.paymentIntents.create(payment('o'), key('k'))
    const second = await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(second).toEqual(first)
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined()
    expect(second.lastResponse.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'original-request': first.lastResponse.requestId,
    })
    expect(second.lastResponse.requestId).not.toBe(first.lastResponse.requestId)
    expect(gateway.ledger.charges('o')).toHaveLength(1)
    expect(gateway.requests.all().map(({ executed, replayed }) => [executed, replayed])).toEqual([
      [true, false],
      [false, true],
    ])
  })

  it('a replay shows the first response, not what has become of the object since', async () => {
    const { stripe } = await gatewayAndStripe()
    const first = await stripe.paymentIntents.create(
      { ...payment('o'), confirm: false, expand: ['customer'] },
      key('k'),
    )
    await stripe.paymentIntents.confirm(first.id)
    const replayed = await stripe.paymentIntents.create(
      { ...payment('o'), confirm: false, expand: ['customer'] },
      key('k'),
    )
    expect(replayed.status).toBe('requires_confirmation')
    const charge = await stripe.paymentIntents.create(payment('p', { expand: ['latest_charge'] }), key('expanded'))
    await stripe.refunds.create({ payment_intent: charge.id })
    const again = await stripe.paymentIntents.create(payment('p', { expand: ['latest_charge'] }), key('expanded'))
    expect(again.latest_charge).toEqual(charge.latest_charge)
  })

  it('a decline is stored: the same key gets the same decline, though the customer may have money now', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const declining = payment('o', { payment_method: 'pm_card_chargeDeclinedInsufficientFunds' })
    const first = await stripeErrorOf(stripe.paymentIntents.create(declining, key('k')))
    const second = await stripeErrorOf(stripe.paymentIntents.create(declining, key('k')))
    expect(second.raw).toMatchObject({ code: 'card_declined', charge: first.charge })
    expect(second.headers?.['idempotent-replayed']).toBe('true')
    expect(gateway.requests.all().filter(({ executed }) => executed)).toHaveLength(1)
  })

  it.each(['500_before_commit', '500_after_commit'] as const)(
    '%s is stored: the same key gets the 500 for ever',
    async (kind) => {
      const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind }, times: 1 }] })
      const first = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), key('k')))
      const second = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), key('k')))
      expect(first).toMatchObject({ type: 'StripeAPIError', statusCode: 500 })
      expect(second).toMatchObject({ type: 'StripeAPIError', statusCode: 500 })
      expect(second.headers?.['idempotent-replayed']).toBe('true')
      expect(gateway.ledger.charges('o')).toHaveLength(kind === '500_after_commit' ? 1 : 0)
    },
  )

  it('a failure that depends on the state is a result and is stored', async () => {
    const { stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create({ ...payment('o'), confirm: false })
    const early = await stripeErrorOf(stripe.paymentIntents.capture(intent.id, {}, key('k')))
    const late = await stripeErrorOf(stripe.paymentIntents.capture(intent.id, {}, key('k')))
    expect(early.code).toBe('payment_intent_unexpected_state')
    expect(late.headers?.['idempotent-replayed']).toBe('true')
  })

  it('a validation failure is not stored: the key can be used with corrected parameters', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripeErrorOf(stripe.paymentIntents.create({ ...payment('o'), amount: -1 }, key('k')))
    const intent = await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(intent.status).toBe('succeeded')
    expect(gateway.ledger.charges('o')).toHaveLength(1)
  })

  it('the same key with other parameters is a 400 idempotency_error, and executes nothing', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('o'), key('k'))
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o', { amount: 999 }), key('k')))
    expect(error).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400, rawType: 'idempotency_error' })
    expect(error.message).toContain('can only be used with the same parameters')
    expect(gateway.ledger.charges('o')).toHaveLength(1)
  })

  it('the same key at another endpoint is a 400 idempotency_error', async () => {
    const { stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('o'), key('k'))
    const error = await stripeErrorOf(
      stripe.charges.create({ amount: 1, currency: 'eur', source: 'tok_visa' }, key('k')),
    )
    expect(error).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 })
  })

  it('the same parameters written in another order are the same', async () => {
    const { gateway } = await gatewayAndStripe()
    const send = (body: string) =>
      fetch(`${gateway.url}/v1/charges`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk_test_1', 'idempotency-key': 'k' },
        body,
      })
    const first = await send('amount=1&currency=eur&source=tok_visa&metadata[a]=1&metadata[b]=2')
    const second = await send('metadata%5Bb%5D=2&metadata[a]=1&source=tok_visa&currency=eur&amount=1')
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(await second.text()).toBe(await first.text())
  })

  it('while the first request is under way, another with its key is a 409, and is not stored', async () => {
    const clock = heldClock()
    const { gateway, stripe } = await gatewayAndStripe({
      clock,
      faults: [{ fault: { kind: 'delay', beforeCommitMs: 1 }, nth: 1 }],
    })
    const slow = stripe.paymentIntents.create(payment('o'), key('k'))
    await gateway.requests.until('received', { idempotencyKey: 'k' })
    const conflict = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), key('k')))
    expect(conflict).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' })
    clock.release()
    const first = await slow
    const after = await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(after.id).toBe(first.id)
    expect(gateway.ledger.charges('o')).toHaveLength(1)
  })

  it('of many requests at once with one key, exactly one executes', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ latencyMs: 20 })
    const calls = Array.from({ length: 20 }, () => stripe.paymentIntents.create(payment('o'), key('k')))
    for (const settled of await Promise.allSettled(calls)) {
      if (settled.status === 'rejected') expect(settled.reason).toMatchObject({ code: 'idempotency_key_in_use' })
    }
    expect(gateway.requests.all().filter(({ executed }) => executed)).toHaveLength(1)
    expect(gateway.ledger.charges('o')).toHaveLength(1)
    expect(gateway.requests.count({ idempotencyKey: 'k' })).toBe(20)
  })

  it('a key is kept for its window from first use, then it is no key at all', async () => {
    let nowMs = 0
    const clock: Clock = { ...realClock, monotonicMs: () => nowMs }
    const { gateway, stripe } = await gatewayAndStripe({ clock, keyWindowMs: 5_000 })
    await stripe.paymentIntents.create(payment('o'), key('k'))
    nowMs = 4_999
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(gateway.ledger.charges('o')).toHaveLength(1)
    nowMs = 5_000
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(gateway.ledger.chargedTwice()).toEqual(['o'])
  })

  it('the window is 24 hours unless told otherwise', async () => {
    const { gateway } = await gatewayAndStripe()
    expect(gateway.settings.keyWindowMs).toBe(24 * 60 * 60 * 1000)
  })

  it('pruning forgets a key at once, but not one whose request is under way', async () => {
    const clock = heldClock()
    const { gateway, stripe } = await gatewayAndStripe({
      clock,
      faults: [{ fault: { kind: 'delay', beforeCommitMs: 1 }, businessKey: 'slow', nth: 1 }],
    })
    await stripe.paymentIntents.create(payment('o'), key('k'))
    const slow = stripe.paymentIntents.create(payment('slow'), key('slow'))
    await gateway.requests.until('received', { idempotencyKey: 'slow' })
    gateway.pruneKeys()
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(gateway.ledger.chargedTwice()).toEqual(['o'])
    const conflict = await stripeErrorOf(stripe.paymentIntents.create(payment('slow'), key('slow')))
    expect(conflict.code).toBe('idempotency_key_in_use')
    clock.release()
    await slow
  })

  it('255 characters are a key, 256 are a 400 and execute nothing', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('o'), key('k'.repeat(255)))
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('long'), key('k'.repeat(256))))
    expect(error.statusCode).toBe(400)
    expect(gateway.ledger.charges('long')).toEqual([])
  })

  it('a key means nothing on GET', async () => {
    const { stripe } = await gatewayAndStripe()
    expect((await stripe.paymentIntents.list({}, key('k'))).data).toEqual([])
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect((await stripe.paymentIntents.list({}, key('k'))).data).toHaveLength(1)
  })

  it('one key in two accounts is two keys', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const other = stripeAt(gateway, { key: 'sk_test_other' })
    await stripe.paymentIntents.create(payment('o'), key('k'))
    await other.paymentIntents.create(payment('o', { amount: 5 }), key('k'))
    await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k', stripeAccount: 'acct_1' })
    expect(gateway.ledger.charges('o')).toHaveLength(3)
  })
})

describe('levels', () => {
  it('at lookup the key is ignored, and search by metadata and lists work', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ level: 'lookup' })
    const first = await stripe.paymentIntents.create(payment('o'), key('k'))
    const second = await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(second.id).not.toBe(first.id)
    expect(gateway.ledger.chargedTwice()).toEqual(['o'])
    const found = await stripe.paymentIntents.search({ query: "metadata['order_id']:'o'" })
    expect(found.data.map(({ id }) => id)).toEqual([second.id, first.id])
    expect((await stripe.paymentIntents.list({ created: { gte: first.created } })).data).toHaveLength(2)
    expect((await stripe.events.list()).data.map(({ request }) => request?.idempotency_key)).toContain(null)
  })

  it('at none the key is ignored, and there is neither search nor filter nor event, only a list', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ level: 'none' })
    const first = await stripe.paymentIntents.create(payment('o'), key('k'))
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(gateway.ledger.chargedTwice()).toEqual(['o'])
    const search = await stripeErrorOf(stripe.paymentIntents.search({ query: "metadata['order_id']:'o'" }).then())
    expect(search.statusCode).toBe(404)
    expect(await stripeErrorOf(stripe.events.list().then())).toMatchObject({ statusCode: 404 })
    for (const filter of [{ created: { gte: 1 } }, { customer: 'cus_1' }]) {
      expect(await stripeErrorOf(stripe.paymentIntents.list(filter).then())).toMatchObject({ statusCode: 400 })
    }
    expect((await stripe.paymentIntents.list({ limit: 1 })).has_more).toBe(true)
    expect((await stripe.paymentIntents.retrieve(first.id)).id).toBe(first.id)
  })

  it('the level can change while the gateway runs', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('o'), key('k'))
    gateway.configure({ level: 'none' })
    await stripe.paymentIntents.create(payment('o'), key('k'))
    expect(gateway.ledger.chargedTwice()).toEqual(['o'])
  })
})
