import Stripe from 'stripe'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { MemoryJournal } from '../journal/memory/index.js'
import { EffectInDoubt, entryId, JournalError } from '../protocol/index.js'
import { hintOfEvent, stripePaymentIntents } from '../providers/stripe/index.js'
import { errorOf, type Order, order, stripeFor, toParams } from '../providers/stripe/stripe.fixture.js'
import { realClock } from '../system/index.js'
import { type Gateway, startGateway } from '../testing/gateway/index.js'

const SECRET = 'whsec_of_the_shop'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ level: 'lookup' })
})
afterEach(() => gateway.reset())
afterAll(() => gateway.close())

function shop() {
  const stripe = stripeFor(gateway)
  const charge = defineEffect({
    name: 'charge-order',
    key: (o: Order) => o.id,
    provider: stripePaymentIntents(stripe, toParams, { facts: { idempotencyKey: null, settlesWithin: 100 } }),
    timeout: 500,
    // Nobody looks again by itself for a long time.
    retryDelay: { first: '1h', longest: '1h' },
  })
  const journal = new MemoryJournal({ clock: realClock })
  const counterfoil = new Counterfoil({ journal, effects: [charge] })
  const state = async (key: string) => (await journal.read([entryId('default', 'charge-order', key)]))[0]?.entry.state
  /** The webhook endpoint, as an application would write it. */
  const deliver = async (body: string, signature: string) => {
    const event = stripe.webhooks.constructEvent(body, signature, SECRET)
    const hint = hintOfEvent(event)
    return hint === null ? null : counterfoil.settleByHint(charge, hint)
  }
  return { stripe, charge, journal, counterfoil, state, deliver }
}

/** An order that was charged while the response was lost. */
async function inDoubt({ counterfoil, charge }: ReturnType<typeof shop>, id: string): Promise<void> {
  gateway.setFaults([{ fault: { kind: 'lose_response_after_commit' }, route: 'payment_intents.create', times: 1 }])
  expect(await errorOf(counterfoil.perform(charge, order(id), { wait: 200 }))).toBeInstanceOf(EffectInDoubt)
}

function signed(event: object): [body: string, signature: string] {
  const body = JSON.stringify(event)
  return [body, Stripe.webhooks.generateTestHeaderString({ payload: body, secret: SECRET })]
}

describe('an event of the service', () => {
  it('settles an effect in doubt at once, and once, however often it comes', async () => {
    const app = shop()
    await inDoubt(app, 'o1')
    const { data } = await app.stripe.events.list({ type: 'payment_intent.succeeded' })
    const delivery = signed(data[0] ?? {})
    const first = await app.deliver(...delivery)
    expect(first).toEqual({ settled: true, state: 'succeeded' })
    expect(await app.deliver(...delivery)).toEqual({ settled: false, state: 'succeeded' })
    expect(await app.counterfoil.perform(app.charge, order('o1'))).toMatchObject({ status: 'succeeded' })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('that could not be followed, since the journal was away, is followed when it is delivered again', async () => {
    const app = shop()
    await inDoubt(app, 'o1')
    const { data } = await app.stripe.events.list({ type: 'payment_intent.succeeded' })
    const delivery = signed(data[0] ?? {})
    const read = app.journal.read.bind(app.journal)
    app.journal.read = () => Promise.reject(new JournalError('The database is down.'))
    await expect(app.deliver(...delivery)).rejects.toBeInstanceOf(JournalError)
    app.journal.read = read
    expect(await app.deliver(...delivery)).toEqual({ settled: true, state: 'succeeded' })
  })

  it('is not believed itself: one that says "failed" and comes late changes nothing of a success', async () => {
    const app = shop()
    await inDoubt(app, 'o1')
    const { data } = await app.stripe.events.list({ type: 'payment_intent.succeeded' })
    const event = data[0]
    const object = { ...event?.data.object, status: 'requires_payment_method' }
    const failed = { ...event, id: 'evt_late', type: 'payment_intent.payment_failed', data: { object } }
    // The object is looked at, and it succeeded.
    expect(await app.deliver(...signed(failed))).toEqual({ settled: true, state: 'succeeded' })
    const later = { ...failed, id: 'evt_later_still' }
    expect(await app.deliver(...signed(later))).toEqual({ settled: false, state: 'succeeded' })
  })

  it('of nobody, of another generation or without a trace at the service changes nothing', async () => {
    const app = shop()
    await inDoubt(app, 'o1')
    const settle = (hint: { key: string; reference?: string }) => app.counterfoil.settleByHint(app.charge, hint)
    expect(await settle({ key: 'unheard of' })).toEqual({ settled: false, state: null })
    expect(await settle({ key: 'o1', reference: 'of another generation' })).toMatchObject({ settled: false })
    gateway.setFaults([{ fault: { kind: '500_before_commit' }, method: 'GET' }])
    expect(await settle({ key: 'o1' })).toEqual({ settled: false, state: 'in_doubt' })
    expect(await app.state('o1')).toBe('in_doubt')
  })

  it('with a forged signature never comes so far', async () => {
    const app = shop()
    await inDoubt(app, 'o1')
    const [body] = signed({ data: { object: { metadata: { counterfoil_key: 'o1' } } } })
    await expect(app.deliver(body, 't=1,v1=00')).rejects.toThrow(/signature/i)
    expect(await app.state('o1')).toBe('in_doubt')
  })
})
