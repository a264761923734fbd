import {
  type Call,
  Counterfoil,
  type CounterfoilOptions,
  defineEffect,
  NotExecuted,
  OutcomeUnknown,
  type Provider,
} from 'counterfoil'
import type { PostgresTransaction } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import Stripe from 'stripe'
import { CALL_TIMEOUT_MS, LEASE_GRACE_MS, SETTLES_WITHIN_MS, TIP_WAIT_MS } from './timing.js'

/** The application under chaos: a shop that charges orders, one at a time per customer, and tips after some of them. */
export interface Order {
  readonly id: string
  readonly customer: string
  /** Its place among the customer's orders, from 0. */
  readonly place: number
  readonly cents: number
  /** A test card of the gateway. */
  readonly card: string
  readonly tipped: boolean
}

export interface Tip {
  readonly id: string
  readonly cents: number
}

/** No constraint keeps a second settlement out: were there one, the table would show it. */
export const SHOP_SCHEMA = `
  create table orders (id text primary key, customer text not null, place integer not null, card text not null, tipped boolean not null);
  create table settlements (
    effect text not null, key text not null, outcome text not null, external_id text,
    at timestamptz not null default clock_timestamp()
  );
`

/** The names of the effects, as the journal has them. */
export const CHARGE_ORDER = 'charge-order'
export const CHARGE_TIP = 'charge-tip'

/** The key of the tip that belongs to an order. */
export function tipOf(orderId: string): string {
  return `${orderId}-tip`
}

export interface Gateway {
  readonly host: string
  readonly port: number
  /** Who asks, as the gateway's log has it. */
  readonly client: string
}

/** What every process of the shop has in common. */
export function shopEffects(gateway: Gateway) {
  const times = {
    timeout: CALL_TIMEOUT_MS,
    leaseGrace: LEASE_GRACE_MS,
    retryDelay: { first: '50ms', longest: '1s' },
  } as const
  const chargeTip = defineEffect({
    ...times,
    name: CHARGE_TIP,
    key: (tip: Tip) => tip.id,
    provider: searchOnly(gateway),
    settled: (tx: PostgresTransaction, tip, outcome) =>
      noteSettlement(tx, CHARGE_TIP, tip.id, outcome.kind, outcome.kind === 'succeeded' ? outcome.receipt.id : null),
  })
  const chargeOrder = (enqueueTip: (tx: PostgresTransaction, tip: Tip) => Promise<unknown>) =>
    defineEffect({
      ...times,
      name: CHARGE_ORDER,
      key: (order: Order) => order.id,
      serializeBy: (order) => order.customer,
      provider: stripePaymentIntents(stripeAt(gateway), paymentFor, {
        facts: { idempotencyKey: { window: '24h' }, settlesWithin: SETTLES_WITHIN_MS, clockSkew: '1s' },
      }),
      settled: async (tx: PostgresTransaction, order, outcome) => {
        const id = outcome.kind === 'succeeded' ? outcome.receipt.id : null
        await noteSettlement(tx, CHARGE_ORDER, order.id, outcome.kind, id)
        // The next effect, in the settlement's own transaction: it exists if and only if this one was settled.
        if (order.tipped) await enqueueTip(tx, { id: tipOf(order.id), cents: 100 })
      },
    })
  return { chargeTip, chargeOrder }
}

async function noteSettlement(
  tx: PostgresTransaction,
  effect: string,
  key: string,
  outcome: string,
  id: string | null,
) {
  await tx.query('insert into settlements (effect, key, outcome, external_id) values ($1, $2, $3, $4)', [
    effect,
    key,
    outcome,
    id,
  ])
}

function paymentFor(order: Order): Stripe.PaymentIntentCreateParams {
  return {
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    metadata: { order_id: order.id },
  }
}

function stripeAt({ host, port, client }: Gateway): Stripe {
  const http = { host, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false } as const
  return new Stripe('sk_test_chaos', { ...http, appInfo: { name: client } })
}

/** The same service by hand, and as if it knew no idempotency keys: what ends a doubt is the search alone. */
function searchOnly({ host, port, client }: Gateway): Provider<Tip, { readonly id: string }> {
  const at = `http://${host}:${port}/v1/payment_intents`
  const headers = { authorization: 'Bearer sk_test_chaos_tips', 'user-agent': client }
  return {
    service: 'tips',
    settlesWithin: SETTLES_WITHIN_MS,
    async execute(tip, call) {
      const body = new URLSearchParams({
        amount: String(tip.cents),
        currency: 'eur',
        payment_method: 'pm_card_visa',
        confirm: 'true',
        'metadata[order_id]': tip.id,
        'metadata[reference]': call.reference,
      })
      return read(await fetch(at, { method: 'POST', headers, body, signal: call.signal }))
    },
    async find(_tip, call: Call) {
      const query = new URLSearchParams({ query: `metadata['reference']:'${call.reference}'` })
      const found = await fetch(`${at}/search?${query}`, { headers, signal: call.signal })
      const { data } = (await read(found)) as unknown as { data: { id: string }[] }
      return data[0] === undefined ? null : { id: data[0].id }
    },
  }
}

async function read(response: Response): Promise<{ readonly id: string }> {
  if (response.status === 429) {
    const retryAfterMs = Number(response.headers.get('retry-after') ?? 1) * 1_000
    throw new NotExecuted('rate_limited', 'The gateway asked to wait.', { retryAfterMs })
  }
  if (!response.ok) throw new OutcomeUnknown(`http_${response.status}`, await response.text())
  return (await response.json()) as { readonly id: string }
}

/** A shop's engine on `pool`; it works once it is started. */
export function shopCounterfoil(gateway: Gateway, rest: Omit<CounterfoilOptions<PostgresTransaction>, 'effects'>) {
  const { chargeTip, chargeOrder: define } = shopEffects(gateway)
  // A wait and no Date: the worker that settles the order may have a wall clock that is days ahead or behind.
  const chargeOrder = define((tx, tip) => counterfoil.enqueue(chargeTip, tip, { tx, notBefore: TIP_WAIT_MS }))
  const counterfoil = new Counterfoil<PostgresTransaction>({ ...rest, effects: [chargeOrder, chargeTip] })
  return { counterfoil, chargeOrder, chargeTip }
}
