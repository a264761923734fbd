import { defineEffect, type Effect } from '../../engine/index.js'
import { type Call, NotExecuted, OutcomeUnknown, type Provider, Rejected } from '../../protocol/index.js'
import type { ServiceAddress } from './index.js'

/** What the tests' effects are about. */
export interface Order {
  readonly id: string
}

export interface Receipt {
  readonly id: string
  readonly status: string
}

/** The service's answers, as far as they are looked at. */
interface Answer {
  readonly id?: string
  readonly status?: string
  readonly latest_charge?: string
  readonly data?: readonly { readonly id: string; readonly status: string; readonly latest_charge?: string }[]
  readonly error?: { readonly code?: string; readonly message: string }
}

/** One HTTP exchange with the service, as a careful user writes it: one request, no redirect, nothing after the deadline. */
export async function exchange(
  { url }: Pick<ServiceAddress, 'url'>,
  path: string,
  init: RequestInit,
): Promise<{ readonly status: number; readonly body: Answer }> {
  const headers = { authorization: 'Bearer sk_test_shop', ...init.headers }
  const response = await fetch(`${url}${path}`, { redirect: 'error', ...init, headers })
  return { status: response.status, body: (await response.json()) as Answer }
}

/** The payment's form: with our reference in its metadata. */
export function form(order: Order, fields: Readonly<Record<string, string>> = {}): URLSearchParams {
  return new URLSearchParams({
    amount: '1200',
    currency: 'eur',
    payment_method: 'pm_card_visa',
    confirm: 'true',
    'metadata[order_id]': order.id,
    ...fields,
  })
}

/** What a careful user makes of an answer. */
export function receiptOf({ status, body }: { readonly status: number; readonly body: Answer }): Receipt {
  const message = body.error?.message ?? `The service answered ${status}.`
  if (status === 429) throw new NotExecuted('rate_limited', message)
  if (status >= 500) throw new OutcomeUnknown(`http_${status}`, message)
  if (status >= 400) throw new Rejected(body.error?.code ?? `http_${status}`, message)
  return { id: body.id ?? '', status: body.status ?? '' }
}

export async function pay(at: ServiceAddress, order: Order, call: Call): Promise<Receipt> {
  const answer = await exchange(at, '/v1/payment_intents', {
    method: 'POST',
    body: form(order, { 'metadata[reference]': call.reference }),
    headers: { 'idempotency-key': call.reference },
    signal: call.signal,
  })
  return receiptOf(answer)
}

export function searchPath(call: Call): string {
  return `/v1/payment_intents/search?${new URLSearchParams({ query: `metadata['reference']:'${call.reference}'` })}`
}

export async function findPayment(at: ServiceAddress, call: Call): Promise<Receipt | null> {
  const { status, body } = await exchange(at, searchPath(call), { signal: call.signal })
  if (status !== 200) throw new OutcomeUnknown(`http_${status}`, 'The service could not be asked.')
  const found = body.data?.[0]
  return found === undefined ? null : { id: found.id, status: found.status }
}

/** A service that honours keys. */
export function byKey(at: ServiceAddress): Provider<Order, Receipt> {
  return { execute: (order, call) => pay(at, order, call), idempotencyKey: { window: '24h' } }
}

/** A service that can be asked. */
export function byFind(at: ServiceAddress): Provider<Order, Receipt> {
  return {
    execute: (order, call) => pay(at, order, call),
    find: (_order, call) => findPayment(at, call),
    settlesWithin: '30s',
  }
}

/** A service that does both. */
export function byBoth(at: ServiceAddress): Provider<Order, Receipt> {
  return {
    execute: (order, call) => pay(at, order, call),
    find: (_order, call) => findPayment(at, call),
    settlesWithin: '30s',
    idempotencyKey: { window: '24h' },
  }
}

/** A service that can do neither. */
export function parking(at: ServiceAddress): Provider<Order, Receipt> {
  return { execute: (order, call) => pay(at, order, call), inDoubt: 'park' }
}

/** The effect over a provider, as its user defines it. */
export function chargeWith<R>(
  provider: (at: ServiceAddress) => Provider<Order, R>,
  key: (order: Order) => string = (order) => order.id,
): (at: ServiceAddress) => Effect<Order, R> {
  return (at) => defineEffect({ name: 'charge-order', key, provider: provider(at) })
}

export const input = (id: string): Order => ({ id })
