import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { type Call, reference } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import type { Gateway } from '../../testing/gateway/index.js'

/** What the tests' effects are about. */
export interface Order {
  readonly id: string
  readonly cents: number
  readonly card?: string
}

export function order(id: string, changes: Partial<Order> = {}): Order {
  return { id, cents: 1200, ...changes }
}

export function toParams(order: Order): Stripe.PaymentIntentCreateParams {
  return {
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card ?? 'pm_card_visa',
    metadata: { order_id: order.id },
  }
}

/** The user's own client, as they would have made it for production, pointed at the gateway. */
export function stripeFor(at: Pick<Gateway, 'host' | 'port'>, config: Stripe.StripeConfig = {}): Stripe {
  return new Stripe('sk_test_shop', { host: at.host, port: at.port, protocol: 'http', telemetry: false, ...config })
}

/** A call as the engine makes one: its signal aborts at the deadline. */
export function callFor(key: string, changes: Partial<Call> & { readonly timeoutMs?: number } = {}): Call {
  const { timeoutMs = 10_000, ...rest } = changes
  const abort = new AbortController()
  const deadlineMs = realClock.monotonicMs() + timeoutMs
  realClock.schedule(timeoutMs, () => abort.abort(new DOMException('The time to act is over.', 'TimeoutError')))
  return {
    reference: reference('default', 'charge-order', key, 1),
    key,
    generation: 1,
    attempt: 1,
    namespace: 'default',
    effect: 'charge-order',
    firstSentAtMs: realClock.wallMs(),
    lastDeadlineAtMs: realClock.wallMs() + timeoutMs,
    signal: abort.signal,
    remainingMs: () => Math.max(0, deadlineMs - realClock.monotonicMs()),
    ...rest,
  }
}

/** What `promise` throws; it must throw. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('It was expected to throw, and did not.')
}

/** A real HTTP server for answers that the gateway has no way to give. */
export async function serverThat(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly host: string; readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => answer(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    host: '127.0.0.1',
    port,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
