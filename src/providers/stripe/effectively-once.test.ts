import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Counterfoil, defineEffect } from '../../engine/index.js'
import { MemoryJournal } from '../../journal/memory/index.js'
import { ConfigurationError, EffectRejected, type RateLimit } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { STRIPE_RATE_LIMITS, type StripePaymentIntentsOptions, stripePaymentIntents } from './index.js'
import { type Order, order, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
let running: Counterfoil | undefined
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(async () => {
  await running?.stop()
  gateway.reset()
  gateway.configure({ level: 'keys', searchLagMs: 0 })
})
afterAll(() => gateway.close())

/** The engine over the provider, with a service that settles within a moment, as a test can wait for. */
async function shop(
  facts: StripePaymentIntentsOptions['facts'] = { settlesWithin: 100 },
  timeoutMs = 500,
  maxAttempts = 1_000,
) {
  const charge = defineEffect({
    name: 'charge-order',
    key: (o: Order) => o.id,
    provider: stripePaymentIntents(stripeFor(gateway), toParams, { facts: { settlesWithin: 100, ...facts } }),
    timeout: timeoutMs,
    leaseGrace: '1s',
    retryDelay: { first: 20, longest: 50 },
    maxAttempts,
  })
  const counterfoil = new Counterfoil({
    journal: new MemoryJournal({ clock: realClock }),
    effects: [charge],
    pollInterval: 20,
  })
  running = counterfoil
  await counterfoil.start()
  return (input: Order) => counterfoil.perform(charge, input, { wait: '20s' })
}

const CREATE = { route: 'payment_intents.create' }

describe('an order is charged once', () => {
  it('when ten ask at once', async () => {
    const pay = await shop()
    const receipts = await Promise.all(Array.from({ length: 10 }, () => pay(order('o1'))))
    expect(new Set(receipts.map((receipt) => receipt.id)).size).toBe(1)
    expect(gateway.requests.count(CREATE)).toBe(1)
  })

  it('when the response is lost: the key answers', async () => {
    gateway.fault({ fault: { kind: 'lose_response_after_commit' }, ...CREATE, times: 1 })
    const pay = await shop()
    expect(await pay(order('o1'))).toMatchObject({ status: 'succeeded' })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
    expect(gateway.requests.all(CREATE)).toMatchObject([{ outcome: 'dropped' }, { replayed: true }])
  })

  it('when the service stored a failure that hides the charge: the list answers', async () => {
    gateway.fault({ fault: { kind: '500_after_commit' }, ...CREATE, times: 1 })
    gateway.configure({ searchLagMs: 3_600_000 })
    const pay = await shop()
    expect(await pay(order('o1'))).toMatchObject({ status: 'succeeded' })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
    expect(gateway.requests.count({ route: 'payment_intents.search' })).toBe(0)
  })

  it('when the service honours no key: it is asked before another call is made', async () => {
    gateway.configure({ level: 'lookup' })
    gateway.setFaults([
      { fault: { kind: 'lose_response_after_commit' }, ...CREATE, businessKey: 'made', times: 1 },
      { fault: { kind: 'hang' }, ...CREATE, businessKey: 'not-made', times: 1 },
    ])
    const pay = await shop({ idempotencyKey: null })
    expect(await pay(order('made'))).toMatchObject({ status: 'succeeded' })
    expect(gateway.requests.count({ ...CREATE, businessKey: 'made' })).toBe(1)

    expect(await pay(order('not-made'))).toMatchObject({ status: 'succeeded' })
    expect(gateway.requests.count({ ...CREATE, businessKey: 'not-made' })).toBe(2)
    expect(gateway.ledger.charges('not-made')).toHaveLength(1)
  })

  it('when the key expires during an outage: it is never sent again, as if it were still good', async () => {
    const windowMs = 1_000
    let outageEndsMs = Number.POSITIVE_INFINITY
    gateway.configure({ keyWindowMs: windowMs })
    gateway.setFaults((request) => {
      if (outageEndsMs === Number.POSITIVE_INFINITY && request.route === CREATE.route) {
        outageEndsMs = realClock.monotonicMs() + 1.5 * windowMs
        return { kind: 'lose_response_after_commit' }
      }
      return realClock.monotonicMs() < outageEndsMs ? { kind: 'refuse_connection' } : undefined
    })
    const pay = await shop({ idempotencyKey: { window: windowMs, margin: 100 } }, 200)
    expect(await pay(order('o1'))).toMatchObject({ status: 'succeeded' })

    const [first, ...later] = gateway.requests.all(CREATE)
    expect(later.length).toBeGreaterThan(0)
    for (const again of later) expect(again.receivedMs).toBeLessThan((first?.receivedMs ?? 0) + windowMs)
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })
})

describe('an order whose stored failure hides no charge', () => {
  it('is parked with the knowledge that it did not happen, and is never charged under another key', async () => {
    gateway.fault({ fault: { kind: '500_before_commit' }, ...CREATE, times: 1 })
    const pay = await shop({ settlesWithin: 50 }, 500, 3)
    await expect(pay(order('o1'))).rejects.toMatchObject({
      name: 'EffectInDoubt',
      state: 'parked',
      reason: { code: 'attempts_exhausted', message: expect.stringContaining('did not happen') },
    })
    expect(new Set(gateway.requests.all(CREATE).map((request) => request.idempotencyKey)).size).toBe(1)
    expect(gateway.ledger.charges('o1')).toHaveLength(0)
  })
})

describe('an order that is declined', () => {
  it('stays declined for every duplicate, and its lost response changes nothing', async () => {
    gateway.fault({ fault: { kind: 'lose_response_after_commit' }, ...CREATE, times: 1 })
    const pay = await shop()
    const poor = order('o1', { card: 'pm_card_chargeDeclined' })
    await expect(pay(poor)).rejects.toThrow(EffectRejected)
    const sent = gateway.requests.count()
    await expect(pay(poor)).rejects.toThrow(EffectRejected)
    expect(gateway.requests.count()).toBe(sent)
    expect(gateway.ledger.liveCharges('o1')).toHaveLength(0)
  })
})

describe('the rate limit of an account', () => {
  it('is kept by dispatchers over all effects of the account, and is nobody’s unless it is given', async () => {
    const rateLimit = { calls: 4, per: 200 }
    const chargeBy = (name: string) =>
      defineEffect({
        name,
        key: (o: Order) => o.id,
        provider: stripePaymentIntents(stripeFor(gateway), toParams, { rateLimit }),
      })
    const [one, other] = [chargeBy('one'), chargeBy('other')]
    const counterfoil = new Counterfoil({
      journal: new MemoryJournal({ clock: realClock }),
      effects: [one, other],
      pollInterval: 10,
    })
    running = counterfoil
    const ids = Array.from({ length: 8 }, (_, i) => `limited-${i}`)
    for (const effect of [one, other]) {
      await counterfoil.enqueueMany(
        effect,
        ids.map((id) => order(`${effect.name}-${id}`)),
      )
    }
    await counterfoil.start()
    for (const effect of [one, other]) {
      // Not by `perform`, which waits for no limit.
      await Promise.all(
        ids.map((id) => gateway.requests.until('executed', { ...CREATE, businessKey: `${effect.name}-${id}` })),
      )
    }
    const atMs = gateway.requests.all(CREATE).map(({ receivedMs }) => receivedMs)
    expect(atMs).toHaveLength(16)
    expect(Math.max(...atMs) - Math.min(...atMs)).toBeGreaterThan(3 * rateLimit.per - 50)
    expect(stripePaymentIntents(stripeFor(gateway), toParams).rateLimit).toBeUndefined()
  })

  it('is refused where it makes no sense, or where an account has two', () => {
    const withLimits = (...limits: RateLimit[]) =>
      new Counterfoil({
        journal: new MemoryJournal({ clock: realClock }),
        effects: limits.map((rateLimit, i) =>
          defineEffect({
            name: `effect-${i}`,
            key: (o: Order) => o.id,
            provider: stripePaymentIntents(stripeFor(gateway), toParams, { rateLimit }),
          }),
        ),
      })
    expect(() => withLimits({ calls: 0, per: '1s' })).toThrow(ConfigurationError)
    expect(() => withLimits(STRIPE_RATE_LIMITS.live, STRIPE_RATE_LIMITS.sandbox)).toThrow('has two rate limits')
    withLimits(STRIPE_RATE_LIMITS.live, STRIPE_RATE_LIMITS.live)
  })
})
