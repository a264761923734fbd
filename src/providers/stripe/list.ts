import type Stripe from 'stripe'
import type { ExternalOperation, ListWindow } from '../../protocol/index.js'
import type { SendUntil, SingleSendStripe } from './client.js'
import { PAGE_SIZE } from './facts.js'
import { keyOf, referenceOf } from './metadata.js'

/** One page of payment intents, and whether there are more. */
export interface Page {
  readonly intents: readonly Stripe.PaymentIntent[]
  readonly hasMore: boolean
}

/**
 * The payment intents of a range of creation times, newest first, page by page. The list shows what is committed and
 * does not lag; each page is a request of its own under `until`.
 */
export async function* pages(
  stripe: SingleSendStripe,
  until: SendUntil,
  query: Pick<Stripe.PaymentIntentListParams, 'created' | 'expand'>,
  behind?: string,
): AsyncGenerator<Page> {
  let after = behind
  for (;;) {
    const cursor = after === undefined ? {} : { starting_after: after }
    const params = { ...query, limit: PAGE_SIZE, ...cursor }
    const page = await stripe.send(until, (client, options) => client.paymentIntents.list(params, options))
    after = page.data.at(-1)?.id
    yield { intents: page.data, hasMore: page.has_more }
    if (!page.has_more || after === undefined) return
  }
}

/**
 * Every payment intent that was created in [fromMs, toMs), newest first, whoever made it; `window.after` goes on behind
 * an operation of an earlier list.
 */
export async function* listOperations(stripe: SingleSendStripe, window: ListWindow): AsyncGenerator<ExternalOperation> {
  const until = { signal: window.signal, remainingMs: () => (window.signal.aborted ? 0 : Number.POSITIVE_INFINITY) }
  // Stripe counts whole seconds: half-open ranges keep windows that touch from showing an operation twice.
  const created = { gte: Math.ceil(window.fromMs / 1000), lt: Math.ceil(window.toMs / 1000) }
  for await (const { intents } of pages(stripe, until, { created, expand: ['data.latest_charge'] }, window.after)) {
    for (const intent of intents) yield { ...operationOf(intent), cursor: intent.id }
  }
}

/** A payment intent, its `latest_charge` expanded, as audits see it. */
export function operationOf(intent: Stripe.PaymentIntent): ExternalOperation {
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null
  const money = moneyOf(intent, charge)
  return {
    externalId: intent.id,
    reference: referenceOf(intent),
    key: keyOf(intent),
    createdAtMs: intent.created * 1000,
    state: money.state,
    amount: { minorUnits: money.minorUnits, currency: intent.currency, undoneMinorUnits: money.undoneMinorUnits },
  }
}

interface Money {
  readonly state: ExternalOperation['state']
  readonly minorUnits: number
  readonly undoneMinorUnits: number
}

function moneyOf(intent: Stripe.PaymentIntent, charge: Stripe.Charge | null): Money {
  switch (intent.status) {
    case 'canceled':
      return { state: 'undone', minorUnits: intent.amount, undoneMinorUnits: intent.amount }
    case 'succeeded': {
      // What came in, not what was asked: less may have been captured.
      const undoneMinorUnits = charge?.amount_refunded ?? 0
      const state = undoneMinorUnits >= intent.amount_received ? 'undone' : 'live'
      return { state, minorUnits: intent.amount_received, undoneMinorUnits }
    }
    case 'requires_capture':
      // The customer's money is held: a second hold for one order is a duplicate as much as a second charge.
      return { state: 'live', minorUnits: intent.amount, undoneMinorUnits: 0 }
    default:
      return { state: 'pending', minorUnits: intent.amount, undoneMinorUnits: 0 }
  }
}
