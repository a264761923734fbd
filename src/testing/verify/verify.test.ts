import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import { stripePaymentIntents } from '../../providers/stripe/index.js'
import type { GatewayOptions } from '../gateway/index.js'
import { assertVerified, gatewayService, type ServiceAddress, VerificationFailed, verifyEffect } from './index.js'
import { byBoth, byFind, byKey, chargeWith, input, type Order, parking, pay } from './integrations.fixture.js'

const fake = (options: GatewayOptions) => ({ service: () => gatewayService(options), input })

describe.concurrent('a right integration holds in every check', { timeout: 120_000 }, () => {
  const right = [
    ['that rests on the key', chargeWith(byKey), { level: 'keys' }, 14],
    ['that looks up', chargeWith(byFind), { level: 'lookup', searchLagMs: 150 }, 19],
    ['that does both', chargeWith(byBoth), { level: 'keys', searchLagMs: 150 }, 24],
    ['that parks', chargeWith(parking), { level: 'none' }, 13],
  ] as const

  it.each(right)('%s', async (_name, effect, options, least) => {
    const report = await verifyEffect(effect, fake(options))
    assertVerified(report)
    expect(report).toMatchObject({ effect: 'charge-order', ok: true, countedBy: 'books' })
    expect(report.checks.filter(({ verdict }) => verdict === 'holds').length).toBeGreaterThanOrEqual(least)
    // Every break has to end well, and no less.
    expect(
      report.checks.filter(({ name, verdict }) => /lost|late|refused|duplicate/.test(name) && verdict !== 'holds'),
    ).toEqual([])
  })

  it('of the Stripe provider', async () => {
    const stripe = ({ host, port }: ServiceAddress) =>
      new Stripe('sk_test_shop', { host, port, protocol: 'http', telemetry: false })
    const effect = chargeWith((at) =>
      stripePaymentIntents(stripe(at), (order: Order) => ({
        ...{ amount: 1200, currency: 'eur', payment_method: 'pm_card_visa' },
        metadata: { order_id: order.id },
      })),
    )
    const report = await verifyEffect(effect, fake({ level: 'keys' }))
    assertVerified(report)
    expect(report.checks.map(({ verdict }) => verdict)).not.toContain('not_checked')
  })

  it('and without books, by the answers of the fake', async () => {
    const service = async () => {
      const { url, close } = await gatewayService({ level: 'keys' })
      return { url, ...(close === undefined ? {} : { close }) }
    }
    const report = await verifyEffect(chargeWith(byKey), { service, input })
    assertVerified(report)
    expect(report.countedBy).toBe('answers')
  })
})

describe('a report', () => {
  it('names the effect and every broken check where it is asserted', async () => {
    const wrong = chargeWith((at) => ({
      execute: (order, call) => pay(at, order, call),
      idempotencyKey: { window: '24h' },
    }))
    const report = await verifyEffect(wrong, fake({ level: 'lookup' }))
    expect(report.ok).toBe(false)
    expect(() => assertVerified(report)).toThrow(VerificationFailed)
    expect(() => assertVerified(report)).toThrow(/^charge-order: CAN BE MADE TWICE/)
    expect(() => assertVerified(report)).toThrow(/✗ honours key: .*\n {4}→ /)
  })
})

describe('what makes no sense is refused before anything is sent', () => {
  it('a url that is none', async () => {
    await expect(verifyEffect(chargeWith(byKey), { service: 'localhost:1', input })).rejects.toThrow(/begins with http/)
  })

  it('an input that is the same each time', async () => {
    const same = { service: () => gatewayService(), input: () => ({ id: 'one' }) }
    await expect(verifyEffect(chargeWith(byKey), same)).rejects.toThrow(/another key for every id/)
  })

  it('an effect that is none', async () => {
    const none = (() => undefined) as unknown as ReturnType<typeof chargeWith>
    await expect(verifyEffect(none, fake({}))).rejects.toThrow(/defineEffect/)
  })
})
