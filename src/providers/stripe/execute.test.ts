import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { capabilitiesOf, Rejected, reference } from '../../protocol/index.js'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { stripePaymentIntents } from './index.js'
import { callFor, errorOf, type Order, order, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway.reset())
afterAll(() => gateway.close())

describe('a charge', () => {
  it('is made in one request, with our reference as key and in the metadata beside those of the user', async () => {
    const stripe = stripeFor(gateway)
    const receipt = await stripePaymentIntents(stripe, toParams).execute(order('o1'), callFor('o1'))
    const ours = reference('default', 'charge-order', 'o1', 1)

    expect(gateway.requests.all()).toMatchObject([
      { route: 'payment_intents.create', idempotencyKey: ours, executed: true },
    ])
    const intent = await stripe.paymentIntents.retrieve(receipt.id)
    expect(intent.metadata).toEqual({
      order_id: 'o1',
      counterfoil_reference: ours,
      counterfoil_key: 'o1',
      counterfoil_effect: 'charge-order',
      counterfoil_namespace: 'default',
    })
    expect(receipt).toEqual({
      id: intent.id,
      object: 'payment_intent',
      status: 'succeeded',
      amount: 1200,
      amount_received: 1200,
      amount_capturable: 0,
      currency: 'eur',
      latest_charge: intent.latest_charge,
      created: intent.created,
      livemode: false,
    })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('keeps the client secret out of the receipt', async () => {
    const receipt = await stripePaymentIntents(stripeFor(gateway), toParams).execute(order('o1'), callFor('o1'))
    expect(JSON.stringify(receipt)).not.toContain('secret')
  })

  it('asked for again under the same key is the same charge', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), toParams)
    const first = await provider.execute(order('o1'), callFor('o1'))
    const second = await provider.execute(order('o1'), callFor('o1'))
    expect(second).toEqual(first)
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('that is declined is rejected for good, and the rejection settles every call under the key', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), toParams)
    const poor = order('o1', { card: 'pm_card_chargeDeclinedInsufficientFunds' })
    const error = await errorOf(provider.execute(poor, callFor('o1')))
    expect(error).toBeInstanceOf(Rejected)
    expect(error).toMatchObject({
      settlesDoubt: true,
      reason: { code: 'card_declined', detail: { decline_code: 'insufficient_funds', status: 402 } },
    })
    expect(await errorOf(provider.execute(poor, callFor('o1')))).toMatchObject({ settlesDoubt: true })
  })

  it('with capture_method manual is executed and says that the money is only held', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      capture_method: 'manual',
    }))
    expect(await provider.execute(order('o1'), callFor('o1'))).toMatchObject({
      status: 'requires_capture',
      amount_received: 0,
      amount_capturable: 1200,
    })
  })

  it('that the customer must authenticate, where the user is ready for that, is executed and says so', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      error_on_requires_action: false,
    }))
    const receipt = await provider.execute(order('o1', { card: 'pm_card_authenticationRequired' }), callFor('o1'))
    expect(receipt).toMatchObject({ status: 'requires_action', amount_received: 0 })
  })

  it('with confirm: false only makes the payment intent', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      confirm: false,
    }))
    expect(await provider.execute(order('o1'), callFor('o1'))).toMatchObject({ status: 'requires_confirmation' })
    expect(gateway.ledger.charges('o1')).toHaveLength(0)
  })
})

describe('the parameters', () => {
  async function sentWith(params: object): Promise<Record<string, unknown>> {
    let sent: Record<string, unknown> = {}
    const stripe = stripeFor(gateway, { emitEventBodies: true })
    stripe.on('request', (event: { body: Record<string, unknown> }) => {
      sent = event.body
    })
    await stripePaymentIntents(stripe, (o: Order) => ({ ...toParams(o), ...params })).execute(
      order('o1'),
      callFor('o1'),
    )
    return sent
  }

  it('say that nobody is there to be redirected, if the user says nothing about it', async () => {
    expect(await sentWith({})).toMatchObject({
      confirm: true,
      error_on_requires_action: true,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    })
  })

  it('are left alone in this if the user says anything about it', async () => {
    const sent = await sentWith({ return_url: 'https://shop.example/done' })
    expect(sent).not.toHaveProperty('error_on_requires_action')
    expect(sent).not.toHaveProperty('automatic_payment_methods')
  })

  it('whose metadata clash with ours are refused by name, and nothing is sent', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      metadata: { counterfoil_key: 'mine' },
    }))
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({
      reason: { code: 'metadata_clash', message: expect.stringContaining('counterfoil_key') },
    })
    expect(gateway.requests.count()).toBe(0)
  })

  it('whose metadata leave no room for ours are refused, and nothing is sent', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 47 }, (_, i) => [`entry_${i}`, 'x']))
    const provider = stripePaymentIntents(stripeFor(gateway), (o: Order) => ({
      ...toParams(o),
      metadata,
    }))
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({
      reason: { code: 'metadata_full' },
    })
    expect(gateway.requests.count()).toBe(0)
  })

  it('that cannot be made leave no doubt: nothing was sent', async () => {
    const provider = stripePaymentIntents(stripeFor(gateway), (): never => {
      throw new TypeError('order.total is undefined')
    })
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({
      name: 'NotExecuted',
      reason: { code: 'params_failed', message: expect.stringContaining('order.total is undefined') },
    })
    expect(gateway.requests.count()).toBe(0)
  })

  it('carry a business key of any length that the journal takes', async () => {
    const stripe = stripeFor(gateway)
    const long = 'k'.repeat(512)
    const { id } = await stripePaymentIntents(stripe, toParams).execute(order('o1'), callFor(long))
    const { metadata } = await stripe.paymentIntents.retrieve(id)
    expect(metadata.counterfoil_reference).toBe(reference('default', 'charge-order', long, 1))
    // Stripe takes 500 characters, and half a key would be another order's.
    expect(metadata).not.toHaveProperty('counterfoil_key')
  })
})

describe('the promises', () => {
  const limits = { timeoutMs: 30_000, maxAttempts: 10, patienceMs: 3_600_000, maxFindFailures: 64 }

  it('are a key for 24 hours with a margin of one, and a look-up', () => {
    const provider = stripePaymentIntents(stripeFor(gateway), toParams)
    expect(capabilitiesOf(provider, limits, 'charge-order')).toMatchObject({
      doubt: 'key_and_find',
      key: { windowMs: 24 * 3_600_000, marginMs: 3_600_000 },
      find: { settlesWithinMs: 300_000 },
    })
  })

  it('of a stand-in that honours no key are the look-up alone', () => {
    const facts = { idempotencyKey: null, settlesWithin: '2s' } as const
    const provider = stripePaymentIntents(stripeFor(gateway), toParams, { facts })
    expect(capabilitiesOf(provider, limits, 'charge-order')).toMatchObject({
      doubt: 'find',
      find: { settlesWithinMs: 2_000 },
    })
  })
})
