import { createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stripeAt } from './gateway.fixture.js'
import { type Gateway, startGateway } from './index.js'

/**
 * An independent imitation of Stripe, written by others from its behaviour. Where both know the subject (charges,
 * refunds and idempotency keys on them), the SDK must be told the same by both.
 */
const require = createRequire(import.meta.url)
const { createExpressApp } = require('stripe-stateful-mock') as { createExpressApp(): RequestListener }
const itsLog = createRequire(require.resolve('stripe-stateful-mock'))('loglevel') as { setLevel(level: string): void }
itsLog.setLevel('silent')

interface Told {
  readonly replayed: boolean
  readonly sameAsFirst: boolean
  readonly result: object
}

describe('the gateway and an independent imitation of Stripe tell the SDK the same', () => {
  const oracle = createServer(createExpressApp())
  let gateway: Gateway

  beforeAll(async () => {
    gateway = await startGateway()
    await new Promise<void>((resolve) => oracle.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await gateway.close()
    oracle.closeAllConnections()
    await new Promise((resolve) => oracle.close(resolve))
  })

  const clients = () => {
    const { port } = oracle.address() as AddressInfo
    return { gateway: stripeAt(gateway), oracle: stripeAt({ host: '127.0.0.1', port }) }
  }

  /** Plays the same calls against both and compares what each told, apart from ids and times. */
  async function expectSame(play: (stripe: Stripe) => Promise<unknown>): Promise<void> {
    const { gateway: ours, oracle: theirs } = clients()
    expect(await play(ours)).toEqual(await play(theirs))
  }

  let keys = 0
  const newKey = () => {
    keys += 1
    return { idempotencyKey: `key-${keys}` }
  }

  async function tell(call: Promise<Stripe.Charge | Stripe.Refund>, firstId?: string): Promise<Told & { id: string }> {
    try {
      const got = await call
      const { id, object, amount, currency, status, metadata } = got
      const headers = got as typeof got & Stripe.Response<unknown>
      return {
        id,
        replayed: headers.lastResponse.headers['idempotent-replayed'] === 'true',
        sameAsFirst: id === firstId,
        result: { object, amount, currency, status, metadata },
      }
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error
      const { type, statusCode, code, decline_code: declineCode, param, rawType } = error
      const message = error.message.replaceAll(/ch_\w+/g, 'ch_…')
      const id = String(error.charge ?? '')
      return {
        id,
        replayed: error.headers?.['idempotent-replayed'] === 'true',
        sameAsFirst: id !== '' && id === firstId,
        result: { type, statusCode, code, declineCode: declineCode || undefined, param, rawType, message },
      }
    }
  }

  const withoutId = ({ id: _, ...told }: Told & { id: string }): Told => told
  const CHARGE = { amount: 1000, currency: 'eur', source: 'tok_visa', metadata: { order_id: 'o' } }

  it('on a replay of a success', async () => {
    const key = newKey()
    await expectSame(async (stripe) => {
      const first = await tell(stripe.charges.create(CHARGE, key))
      const second = await tell(stripe.charges.create(CHARGE, key), first.id)
      return [first, second].map(withoutId)
    })
  })

  it.each([
    'tok_chargeDeclined',
    'tok_chargeDeclinedInsufficientFunds',
    'tok_chargeDeclinedFraudulent',
    'tok_chargeDeclinedExpiredCard',
    'tok_chargeDeclinedIncorrectCvc',
    'tok_chargeDeclinedProcessingError',
  ])('on %s, and that the decline is stored under its key', async (source) => {
    const key = newKey()
    await expectSame(async (stripe) => {
      const first = await tell(stripe.charges.create({ ...CHARGE, source }, key))
      const second = await tell(stripe.charges.create({ ...CHARGE, source }, key), first.id)
      return [first, second].map(withoutId)
    })
  })

  it('on the same key with other parameters', async () => {
    const key = newKey()
    await expectSame(async (stripe) => {
      await stripe.charges.create(CHARGE, key)
      return withoutId(await tell(stripe.charges.create({ ...CHARGE, amount: 999 }, key)))
    })
  })

  it('on refunds: partial, replayed, too large, and of what is already refunded', async () => {
    const key = newKey()
    await expectSame(async (stripe) => {
      const charge = (await stripe.charges.create(CHARGE)).id
      const part = await tell(stripe.refunds.create({ charge, amount: 295 }, key))
      const again = await tell(stripe.refunds.create({ charge, amount: 295 }, key), part.id)
      const tooMuch = await tell(stripe.refunds.create({ charge, amount: 1234 }))
      const rest = await tell(stripe.refunds.create({ charge }))
      const nothingLeft = await tell(stripe.refunds.create({ charge }))
      const after = await stripe.charges.retrieve(charge)
      return [
        [part, again, tooMuch, rest, nothingLeft].map(withoutId),
        [after.refunded, after.amount_refunded, after.amount_captured],
      ]
    })
  })

  it('on a held charge that is captured in part', async () => {
    await expectSame(async (stripe) => {
      const held = await stripe.charges.create({ ...CHARGE, capture: false })
      const captured = await stripe.charges.capture(held.id, { amount: 600 })
      return [held.captured, held.amount_refunded, captured.captured, captured.amount_refunded, captured.refunded]
    })
  })
})
