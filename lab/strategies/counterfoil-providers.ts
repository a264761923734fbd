import { request } from 'node:http'
import { type Call, type ExternalOperation, NotExecuted, OutcomeUnknown, type Provider, Rejected } from 'counterfoil'
import { stripePaymentIntents } from 'counterfoil/stripe'
import type Stripe from 'stripe'
import { type Order, paymentFor } from '../application.js'
import type { GatewayAddress, Services } from '../strategy.js'
import { KEY_WINDOW_MS, SETTLES_WITHIN_MS } from '../timing.js'

/** What is kept of a payment. */
export type Receipt = { readonly id: string; readonly latest_charge: string | null }

/** A gateway that honours keys, by the provider that the package has for it. */
export function gatewayWithKeys({ stripe }: Services): Provider<Order, Receipt> {
  return stripePaymentIntents(stripe, paymentFor, {
    facts: {
      idempotencyKey: { window: KEY_WINDOW_MS, margin: '250ms' },
      settlesWithin: SETTLES_WITHIN_MS,
      clockSkew: '1s',
    },
  })
}

/** A gateway without keys that can be searched for our reference. */
export function searchableGateway({ gateway, stripe }: Services): Provider<Order, Receipt> {
  return {
    execute: (order, call) => pay(gateway, order, call),
    find: (_order, call) => findPayment(stripe, call),
    settlesWithin: SETTLES_WITHIN_MS,
  }
}

/** A gateway that takes money and can be asked nothing. */
export function silentGateway({ gateway }: Services): Provider<Order, Receipt> {
  return {
    execute: (order, call) => pay(gateway, order, call),
    inDoubt: 'park',
  }
}

/** The same; but once in a while somebody reads its whole list, and can give money back. */
export function listingGateway(services: Services): Provider<Order, Receipt> {
  const { stripe } = services
  return {
    ...silentGateway(services),
    list: () => listPayments(stripe),
    amount: (_receipt, order) => ({ minorUnits: order.cents, currency: 'eur' }),
    cancel: ({ externalId, minorUnits }) =>
      stripe.refunds.create({ payment_intent: externalId, ...(minorUnits === null ? {} : { amount: minorUnits }) }),
  }
}

/**
 * What took money. An attempt that was declined is left out, as if it were absent: nobody will confirm it again, so it
 * may be made anew. The list cannot be narrowed down at this gateway.
 */
async function* listPayments(stripe: Stripe): AsyncGenerator<ExternalOperation> {
  for await (const intent of stripe.paymentIntents.list({ limit: 100, expand: ['data.latest_charge'] })) {
    if (intent.status !== 'succeeded') continue
    const { id, amount_received: minorUnits, currency, created, metadata, latest_charge: charge } = intent
    const undoneMinorUnits = typeof charge === 'object' ? (charge?.amount_refunded ?? 0) : 0
    yield {
      externalId: id,
      reference: metadata.reference ?? null,
      key: metadata.order_id ?? null,
      createdAtMs: created * 1_000,
      state: undoneMinorUnits < minorUnits ? 'live' : 'undone',
      amount: { minorUnits, currency, undoneMinorUnits },
    }
  }
}

async function findPayment(stripe: Stripe, call: Call): Promise<Receipt | null> {
  const found = await stripe.paymentIntents.search({ query: `metadata['reference']:'${call.reference}'` })
  const intent = found.data[0]
  return intent === undefined ? null : receiptOf(intent)
}

async function pay(gateway: GatewayAddress, order: Order, call: Call): Promise<Receipt> {
  const { status, body } = await post(gateway, '/v1/payment_intents', call, {
    amount: String(order.cents),
    currency: 'eur',
    payment_method: order.card,
    confirm: 'true',
    'automatic_payment_methods[enabled]': 'true',
    'automatic_payment_methods[allow_redirects]': 'never',
    'metadata[order_id]': order.id,
    'metadata[reference]': call.reference,
  })
  if (status === 200) return receiptOf(body as Stripe.PaymentIntent)
  const { error } = body as { error: { code?: string; message: string } }
  if (status === 429) throw new NotExecuted('rate_limited', error.message)
  if (status < 500) throw new Rejected(error.code ?? `http_${status}`, error.message)
  throw new OutcomeUnknown(`http_${status}`, error.message)
}

function receiptOf(intent: Stripe.PaymentIntent): Receipt {
  const { id, latest_charge: latest, last_payment_error: refusal } = intent
  if (intent.status !== 'succeeded') {
    throw new Rejected(refusal?.code ?? intent.status, refusal?.message ?? `The payment is ${intent.status}.`, {
      settlesDoubt: true,
    })
  }
  return { id, latest_charge: typeof latest === 'string' ? latest : (latest?.id ?? null) }
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/**
 * One request, sent once. This gateway honours no key, so nothing behind us catches a call that comes too late: whether
 * there is still time is asked when the connection stands, in the same breath as the first byte is written.
 */
function post(gateway: GatewayAddress, path: string, call: Call, form: Record<string, string>): Promise<Answer> {
  const { host, port, agent, secretKey } = gateway
  const body = new URLSearchParams(form).toString()
  const headers = {
    authorization: `Bearer ${secretKey}`,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
  }
  return new Promise((resolve, reject) => {
    let sent = false
    const posting = request({ method: 'POST', host, port, path, agent, headers, signal: call.signal })
    const send = (): void => {
      if (call.remainingMs() === 0) return void posting.destroy()
      sent = true
      posting.end(body)
    }
    posting.once('socket', (socket) => (socket.connecting ? socket.once('connect', send) : send()))
    posting.once('error', (cause) => reject(sent ? cause : new NotExecuted('not_sent', 'Nothing was sent.', { cause })))
    posting.once('response', (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown })
        } catch (cause) {
          reject(new OutcomeUnknown('unreadable_answer', 'The answer broke off.', { cause }))
        }
      })
    })
  })
}
