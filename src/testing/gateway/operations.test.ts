import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import { gatewayAndStripe, payment, stripeAt, stripeErrorOf } from './gateway.fixture.js'

describe('the stripe SDK drives the gateway unchanged', () => {
  it('a stranger points the SDK at it by host, port and protocol alone', async () => {
    const { gateway } = await gatewayAndStripe()
    const stripe = new Stripe('sk_test_anything', { host: gateway.host, port: gateway.port, protocol: 'http' })
    const intent = await stripe.paymentIntents.create({
      amount: 1999,
      currency: 'EUR',
      confirm: true,
      payment_method: 'pm_card_visa',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      receipt_email: 'a@example.com',
    })
    expect(intent).toMatchObject({ status: 'succeeded', amount: 1999, amount_received: 1999, currency: 'eur' })
    expect(intent.lastResponse.requestId).toMatch(/^req_/)
  })

  it('a payment intent goes through create, update, confirm, and is read back as it is', async () => {
    const { stripe } = await gatewayAndStripe()
    const created = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', metadata: { a: '1' } })
    expect(created.status).toBe('requires_payment_method')
    const updated = await stripe.paymentIntents.update(created.id, { amount: 600, metadata: { b: 'é=&ü +' } })
    expect(updated).toMatchObject({ amount: 600, metadata: { a: '1', b: 'é=&ü +' } })
    const confirmed = await stripe.paymentIntents.confirm(created.id, { payment_method: 'pm_card_mastercard' })
    expect(confirmed).toMatchObject({ status: 'succeeded', amount_received: 600 })
    expect(await stripe.paymentIntents.retrieve(created.id)).toEqual(confirmed)
    const again = await stripeErrorOf(stripe.paymentIntents.confirm(created.id))
    expect(again).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' })
  })

  it('metadata that is set to an empty value is unset', async () => {
    const { stripe } = await gatewayAndStripe()
    const created = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', metadata: { a: '1', b: '2' } })
    const updated = await stripe.paymentIntents.update(created.id, { metadata: { a: '' } })
    expect(updated.metadata).toEqual({ b: '2' })
  })

  it('a manual capture holds the money, takes a part, and releases the rest', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const held = await stripe.paymentIntents.create(payment('o', { capture_method: 'manual' }))
    expect(held).toMatchObject({ status: 'requires_capture', amount_capturable: 1000, amount_received: 0 })
    expect(gateway.ledger.charges('o')).toMatchObject([{ state: 'authorized', amount: 1000 }])
    const tooMuch = await stripeErrorOf(stripe.paymentIntents.capture(held.id, { amount_to_capture: 1001 }))
    expect(tooMuch).toMatchObject({ statusCode: 400, code: 'amount_too_large' })
    const captured = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 700 })
    expect(captured).toMatchObject({ status: 'succeeded', amount_received: 700, amount_capturable: 0 })
    expect(gateway.ledger.liveCharges('o')).toMatchObject([{ amount: 700 }])
  })

  it('cancelling releases what is held, and what succeeded cannot be cancelled', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const held = await stripe.paymentIntents.create(payment('held', { capture_method: 'manual' }))
    const canceled = await stripe.paymentIntents.cancel(held.id, { cancellation_reason: 'duplicate' })
    expect(canceled).toMatchObject({ status: 'canceled', cancellation_reason: 'duplicate' })
    expect(gateway.ledger.charges('held')).toMatchObject([{ state: 'voided' }])
    const paid = await stripe.paymentIntents.create(payment('paid'))
    const error = await stripeErrorOf(stripe.paymentIntents.cancel(paid.id))
    expect(error).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' })
    expect(gateway.ledger.liveCharges('paid')).toHaveLength(1)
  })

  it('a card that wants authentication waits for its holder, and declines when the holder is not there', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const card = { payment_method: 'pm_card_authenticationRequired' }
    const waiting = await stripe.paymentIntents.create(payment('a', card))
    expect(waiting).toMatchObject({ status: 'requires_action', next_action: { type: 'use_stripe_sdk' } })
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('b', { ...card, off_session: true })))
    expect(error).toMatchObject({ statusCode: 402, code: 'authentication_required' })
    expect(gateway.ledger.all()).toEqual([])
  })

  it.each([
    ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', ''],
  ])('%s declines a payment intent, which then wants another payment method', async (card, code, declineCode) => {
    const { gateway, stripe } = await gatewayAndStripe()
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o', { payment_method: card })))
    expect(error).toMatchObject({ type: 'StripeCardError', statusCode: 402, code, decline_code: declineCode })
    const intent = await stripe.paymentIntents.retrieve(error.payment_intent?.id ?? '')
    expect(intent).toMatchObject({ status: 'requires_payment_method', last_payment_error: { code } })
    expect(gateway.ledger.all()).toEqual([])
    const paid = await stripe.paymentIntents.confirm(intent.id, { payment_method: 'pm_card_visa' })
    expect(paid).toMatchObject({ status: 'succeeded', last_payment_error: null })
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
  })

  it.each(['tok_chargeDeclined', 'tok_chargeDeclinedInsufficientFunds'])('%s declines a charge', async (source) => {
    const { gateway, stripe } = await gatewayAndStripe()
    const error = await stripeErrorOf(stripe.charges.create({ amount: 100, currency: 'eur', source }))
    expect(error).toMatchObject({ type: 'StripeCardError', code: 'card_declined' })
    expect((await stripe.charges.list()).data).toMatchObject([{ status: 'failed', paid: false }])
    expect(gateway.ledger.all()).toEqual([])
  })

  it('a charge is held, captured and read back', async () => {
    const { stripe } = await gatewayAndStripe()
    const held = await stripe.charges.create({ amount: 900, currency: 'eur', source: 'tok_visa', capture: false })
    expect(held).toMatchObject({ captured: false, paid: true, status: 'succeeded' })
    const captured = await stripe.charges.capture(held.id, { amount: 800 })
    expect(captured).toMatchObject({ captured: true, amount_captured: 800, amount_refunded: 100 })
    expect(await stripe.charges.retrieve(held.id)).toEqual(captured)
    expect(await stripeErrorOf(stripe.charges.capture(held.id))).toMatchObject({ code: 'charge_already_captured' })
  })

  it('refunds add up to the charge and not beyond', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create(payment('o'))
    const part = await stripe.refunds.create({ payment_intent: intent.id, amount: 400, reason: 'duplicate' })
    expect(part).toMatchObject({ status: 'succeeded', amount: 400, payment_intent: intent.id })
    expect(gateway.ledger.charges('o')).toMatchObject([{ state: 'live', amountRefunded: 400 }])
    const over = await stripeErrorOf(stripe.refunds.create({ payment_intent: intent.id, amount: 601 }))
    expect(over).toMatchObject({ statusCode: 400, param: 'amount' })
    expect(over.message).toBe('Refund amount ($6.01) is greater than unrefunded amount on charge ($6.00)')
    await stripe.refunds.create({ charge: String(intent.latest_charge) })
    expect(gateway.ledger.charges('o')).toMatchObject([{ state: 'refunded', amountRefunded: 1000 }])
    const twice = await stripeErrorOf(stripe.refunds.create({ payment_intent: intent.id }))
    expect(twice).toMatchObject({ statusCode: 400, code: 'charge_already_refunded' })
    const refunds = await stripe.refunds.list({ payment_intent: intent.id })
    expect(refunds.data.map(({ amount }) => amount)).toEqual([600, 400])
    expect(await stripe.refunds.retrieve(part.id)).toEqual(part)
  })

  it('an intent that took no money has nothing to refund', async () => {
    const { stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create({ amount: 100, currency: 'eur' })
    const error = await stripeErrorOf(stripe.refunds.create({ payment_intent: intent.id }))
    expect(error.message).toContain('does not have a successful charge to refund')
  })

  it('customers are made, read and required to exist', async () => {
    const { stripe } = await gatewayAndStripe()
    const customer = await stripe.customers.create({ email: 'a@example.com', name: 'A', metadata: { n: '1' } })
    expect(await stripe.customers.retrieve(customer.id)).toEqual(customer)
    const intent = await stripe.paymentIntents.create(payment('o', { customer: customer.id, expand: ['customer'] }))
    expect(intent.customer).toMatchObject({ id: customer.id, email: 'a@example.com' })
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o', { customer: 'cus_other' })))
    expect(error).toMatchObject({ statusCode: 400, code: 'resource_missing', param: 'customer' })
  })

  it('expand puts objects in the place of ids, also inside lists', async () => {
    const { stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create(payment('o', { expand: ['latest_charge'] }))
    expect(intent.latest_charge).toMatchObject({ object: 'charge', payment_intent: intent.id })
    const list = await stripe.charges.list({ expand: ['data.payment_intent'] })
    expect(list.data).toMatchObject([{ payment_intent: { object: 'payment_intent', id: intent.id } }])
    const error = await stripeErrorOf(stripe.paymentIntents.retrieve(intent.id, { expand: ['amount'] }))
    expect(error).toMatchObject({ statusCode: 400, message: 'This property cannot be expanded (amount).' })
  })

  it('events tell what happened, with the idempotency key of the request that caused it', async () => {
    const { stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'key-of-payment' })
    await stripe.refunds.create({ payment_intent: intent.id }, { idempotencyKey: 'key-of-refund' })
    const events = await stripe.events.list()
    expect(events.data.map(({ type, request }) => [type, request?.idempotency_key])).toEqual([
      ['refund.created', 'key-of-refund'],
      ['charge.refunded', 'key-of-refund'],
      ['payment_intent.succeeded', 'key-of-payment'],
      ['charge.succeeded', 'key-of-payment'],
      ['payment_intent.created', 'key-of-payment'],
    ])
    const created = await stripe.events.list({ type: 'payment_intent.created' })
    expect(created.data).toMatchObject([{ data: { object: { id: intent.id, status: 'requires_confirmation' } } }])
    const two = await stripe.events.list({ types: ['charge.refunded', 'charge.succeeded'] })
    expect(two.data.map(({ type }) => type)).toEqual(['charge.refunded', 'charge.succeeded'])
  })
})

describe('requests that are wrong are refused as Stripe refuses them', () => {
  it('a parameter that the API does not know is an error, so a misspelt one is not silently ignored', async () => {
    const { stripe } = await gatewayAndStripe()
    const error = await stripeErrorOf(
      stripe.paymentIntents.create({ ...payment('o'), ...{ metdata: {} as never, amuont: 1 } }),
    )
    expect(error).toMatchObject({ statusCode: 400, code: 'parameter_unknown', param: 'amuont' })
  })

  it.each([
    [{ amount: 0, currency: 'eur' }, 'parameter_invalid_integer', 'amount'],
    [{ amount: 1.5, currency: 'eur' }, 'parameter_invalid_integer', 'amount'],
    [{ amount: 100_000_000, currency: 'eur' }, 'amount_too_large', 'amount'],
    [{ currency: 'eur' }, 'parameter_missing', 'amount'],
    [{ amount: 1 }, 'parameter_missing', 'currency'],
    [{ amount: 1, currency: 'eur', payment_method: 'pm_unknown' }, 'resource_missing', 'payment_method'],
  ])('%j is a %s of %s', async (params, code, param) => {
    const { stripe } = await gatewayAndStripe()
    const error = await stripeErrorOf(stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams))
    expect(error).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 400, code, param })
  })

  it('metadata beyond the documented limits is refused', async () => {
    const { stripe } = await gatewayAndStripe()
    for (const metadata of [{ ['k'.repeat(41)]: 'v' }, { k: 'v'.repeat(501) }]) {
      const error = await stripeErrorOf(stripe.paymentIntents.create({ amount: 1, currency: 'eur', metadata }))
      expect(error.statusCode).toBe(400)
    }
  })

  it('what does not exist is 404 resource_missing', async () => {
    const { stripe } = await gatewayAndStripe()
    for (const call of [
      stripe.paymentIntents.retrieve('pi_none'),
      stripe.charges.retrieve('ch_none'),
      stripe.refunds.retrieve('re_none'),
      stripe.customers.retrieve('cus_none'),
      stripe.refunds.create({ payment_intent: 'pi_none' }),
    ]) {
      expect(await stripeErrorOf(call)).toMatchObject({ statusCode: 404, code: 'resource_missing' })
    }
    const url = await stripeErrorOf(stripe.balance.retrieve())
    expect(url).toMatchObject({ statusCode: 404, message: expect.stringContaining('Unrecognized request URL') })
  })

  it('a request without a secret key is 401', async () => {
    const { gateway } = await gatewayAndStripe()
    expect((await fetch(`${gateway.url}/v1/charges`)).status).toBe(401)
    const publishable = stripeAt(gateway, { key: 'pk_test_1' })
    expect(await stripeErrorOf(publishable.charges.list())).toMatchObject({ type: 'StripeAuthenticationError' })
    const basic = await fetch(`${gateway.url}/v1/charges`, {
      headers: { authorization: `Basic ${btoa('sk_test_1:')}` },
    })
    expect(basic.status).toBe(200)
  })

  it('malformed and oversized bodies are refused and the gateway goes on', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const send = (body: string) =>
      fetch(`${gateway.url}/v1/charges`, { method: 'POST', headers: { authorization: 'Bearer sk_test_1' }, body })
    expect((await send('amount=%E0%A4')).status).toBe(400)
    expect((await send(`a${'[b]'.repeat(50)}=1`)).status).toBe(400)
    expect((await send('__proto__[polluted]=1')).status).toBe(400)
    expect((await send(`description=${'x'.repeat(1_100_000)}`)).status).toBe(413)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
    expect((await stripe.charges.list()).data).toEqual([])
  })
})

describe('accounts', () => {
  it('objects of one secret key, or of one connected account, are not seen by another', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const other = stripeAt(gateway, { key: 'sk_test_other' })
    const mine = await stripe.paymentIntents.create(payment('o'))
    expect((await other.paymentIntents.list()).data).toEqual([])
    expect(await stripeErrorOf(other.paymentIntents.retrieve(mine.id))).toMatchObject({ statusCode: 404 })
    expect((await stripe.paymentIntents.list({}, { stripeAccount: 'acct_1' })).data).toEqual([])
  })
})
