import { describe, expect, it } from 'vitest'
import { gatewayAndStripe, payment, stripeErrorOf } from './gateway.fixture.js'
import { Ledger } from './index.js'

describe('the ledger tells the truth about money', () => {
  it('an order with two live charges is charged twice, until one is given back whole', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('once'))
    await stripe.paymentIntents.create(payment('twice'))
    const duplicate = await stripe.paymentIntents.create(payment('twice'))
    expect(gateway.ledger.chargedTwice()).toEqual(['twice'])
    await stripe.refunds.create({ payment_intent: duplicate.id, amount: 999 })
    expect(gateway.ledger.chargedTwice()).toEqual(['twice'])
    await stripe.refunds.create({ payment_intent: duplicate.id, amount: 1 })
    expect(gateway.ledger.chargedTwice()).toEqual([])
    expect(gateway.ledger.charges('twice').map(({ state }) => state)).toEqual(['live', 'refunded'])
  })

  it('records what moved, when, and by which request and key', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const before = Date.now()
    const intent = await stripe.paymentIntents.create(payment('o', { currency: 'usd' }), { idempotencyKey: 'k1' })
    await stripe.refunds.create({ payment_intent: intent.id, amount: 10 }, { idempotencyKey: 'k2' })
    const [charge] = gateway.ledger.charges('o')
    expect(charge).toMatchObject({
      id: intent.latest_charge,
      paymentIntent: intent.id,
      businessKey: 'o',
      currency: 'usd',
      amount: 1000,
      amountRefunded: 10,
      state: 'live',
      idempotencyKey: 'k1',
      metadata: { order_id: 'o' },
      movements: [
        { kind: 'charge', amount: 1000, idempotencyKey: 'k1', requestId: intent.lastResponse.requestId },
        { kind: 'refund', amount: 10, idempotencyKey: 'k2' },
      ],
    })
    expect(charge?.createdMs).toBeGreaterThanOrEqual(before)
    expect(charge?.createdMs).toBeLessThanOrEqual(Date.now())
  })

  it('what moved nothing is not in it: declines, replays, intents that were never confirmed', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create({ ...payment('unconfirmed'), confirm: false })
    await stripeErrorOf(stripe.paymentIntents.create(payment('declined', { payment_method: 'pm_card_chargeDeclined' })))
    await stripe.paymentIntents.create(payment('paid'), { idempotencyKey: 'k' })
    await stripe.paymentIntents.create(payment('paid'), { idempotencyKey: 'k' })
    expect(gateway.ledger.all().map(({ businessKey }) => businessKey)).toEqual(['paid'])
  })

  it('a held charge is not live before it is captured, and a voided one never was', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const held = await stripe.paymentIntents.create(payment('o', { capture_method: 'manual' }))
    const other = await stripe.paymentIntents.create(payment('o', { capture_method: 'manual' }))
    expect(gateway.ledger.chargedTwice()).toEqual([])
    await stripe.paymentIntents.capture(held.id)
    await stripe.paymentIntents.cancel(other.id)
    expect(gateway.ledger.totals()).toEqual({
      charges: 2,
      live: 1,
      voided: 1,
      refunded: 0,
      authorized: 0,
      businessKeys: 1,
      chargedTwice: 0,
    })
    expect(gateway.ledger.charges('o')[1]?.movements.map(({ kind }) => kind)).toEqual(['authorize', 'void'])
  })

  it('counts by the metadata that the gateway was told of, or by what the request itself calls the business key', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ businessKeyField: 'invoice' })
    await stripe.paymentIntents.create(payment('ignored', { metadata: { invoice: 'i1' } }))
    await stripe.paymentIntents.create(payment('ignored', { metadata: { invoice: 'i1', business_key: 'b1' } }))
    await stripe.paymentIntents.create(payment('none', { metadata: {} }))
    expect(gateway.ledger.businessKeys()).toEqual(['i1', 'b1'])
    expect(gateway.ledger.all()).toHaveLength(3)
  })

  it('a snapshot of it answers the same', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    for (const order of ['a', 'b', 'b']) await stripe.paymentIntents.create(payment(order))
    const snapshot = Ledger.of(gateway.ledger.all())
    await stripe.paymentIntents.create(payment('a'))
    expect(snapshot.chargedTwice()).toEqual(['b'])
    expect(gateway.ledger.chargedTwice()).toEqual(['a', 'b'])
  })

  it('a reset forgets all, and ids of before are not made again', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const before = await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })
    gateway.reset()
    const after = await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })
    expect(after.id).not.toBe(before.id)
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
    expect(gateway.requests.all()).toHaveLength(1)
    expect(await stripeErrorOf(stripe.paymentIntents.retrieve(before.id))).toMatchObject({ statusCode: 404 })
  })

  it('one seed makes the same ids in every run', async () => {
    const ids: string[] = []
    for (const seed of [1, 1, 2]) {
      const { stripe } = await gatewayAndStripe({ seed })
      ids.push((await stripe.paymentIntents.create(payment('o'))).id)
    }
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).not.toBe(ids[0])
  })
})
