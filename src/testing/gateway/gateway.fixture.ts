import Stripe from 'stripe'
import { onTestFinished } from 'vitest'
import { type Clock, realClock } from '../../system/index.js'
import { type Gateway, type GatewayOptions, startGateway } from './index.js'

/** A gateway that ends with the test, and the real SDK pointed at it. */
export async function gatewayAndStripe(options: GatewayOptions = {}): Promise<{ gateway: Gateway; stripe: Stripe }> {
  const gateway = await startGateway(options)
  onTestFinished(() => gateway.close())
  return { gateway, stripe: stripeAt(gateway) }
}

/** The real SDK, as a user sets it up. It still sends again once after a reset connection, whatever its settings. */
export function stripeAt(
  { host, port }: { host: string; port: number },
  { key = 'sk_test_gateway', timeout = 5_000 } = {},
): Stripe {
  return new Stripe(key, { host, port, protocol: 'http', maxNetworkRetries: 0, timeout, telemetry: false })
}

/** A confirmed payment of ten euros for an order. */
export function payment(orderId: string, changes: Partial<Stripe.PaymentIntentCreateParams> = {}) {
  return {
    amount: 1000,
    currency: 'eur',
    confirm: true,
    payment_method: 'pm_card_visa',
    metadata: { order_id: orderId },
    ...changes,
  } satisfies Stripe.PaymentIntentCreateParams
}

/** The error that a call of the SDK ends with; fails if it succeeds. */
export async function stripeErrorOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  try {
    await call
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) return error
    throw error
  }
  throw new Error('The call succeeded; it was expected to fail.')
}

/** A clock on which every wait lasts until the test says so: for a request that is held exactly as long as needed. */
export function heldClock(): Clock & { release(): void } {
  const waiting = new Set<() => void>()
  return {
    ...realClock,
    sleep: (_delayMs, signal) =>
      new Promise((resolve) => {
        waiting.add(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      }),
    release: () => {
      for (const resolve of waiting) resolve()
      waiting.clear()
    },
  }
}
