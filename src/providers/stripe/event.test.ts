import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { referenceOfEvent, stripePaymentIntents } from './index.js'
import { callFor, errorOf, order, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

describe('referenceOfEvent', () => {
  it('finds our reference in every event that a payment brings, of a payment whose response was lost', async () => {
    const stripe = stripeFor(gateway)
    gateway.fault({ fault: { kind: 'lose_response_after_commit' }, times: 1 })
    const call = callFor('o1')
    expect(await errorOf(stripePaymentIntents(stripe, toParams).execute(order('o1'), call))).toMatchObject({
      name: 'OutcomeUnknown',
    })
    const events = await stripe.events.list({ limit: 100 }).autoPagingToArray({ limit: 100 })
    expect(events.map((event) => event.type)).toContain('payment_intent.succeeded')
    expect(events.map(referenceOfEvent)).toEqual(events.map(() => call.reference))
  })

  const event = (object: object, key: string | null): Pick<Stripe.Event, 'data' | 'request'> => ({
    data: { object } as Stripe.Event['data'],
    request: { id: 'req_1', idempotency_key: key },
  })

  it('takes the metadata before the key of the request that caused the event', () => {
    const refunded = event({ metadata: { counterfoil_reference: 'the-payment' } }, 'the-refund')
    expect(referenceOfEvent(refunded)).toBe('the-payment')
  })

  it('takes the key where the object has no metadata of ours', () => {
    expect(referenceOfEvent(event({ metadata: {} }, 'cAbc-123'))).toBe('cAbc-123')
    expect(referenceOfEvent(event({}, 'cAbc-123'))).toBe('cAbc-123')
  })

  it('is null for events of other origin', () => {
    expect(referenceOfEvent(event({}, null))).toBeNull()
    expect(referenceOfEvent(event({}, 'stripe-node-retry-9b2f6a3e-7d4e-4f3c-8a59-2f5f7b1f0c11'))).toBeNull()
    expect(referenceOfEvent({ ...event({}, null), request: null })).toBeNull()
  })
})
