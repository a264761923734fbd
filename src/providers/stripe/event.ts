import type Stripe from 'stripe'
import { keyOf, referenceOf } from './metadata.js'

/** The form of every reference: at most 36 of [A-Za-z0-9_-]. Other software's keys may have it too. */
const REFERENCE_FORM = /^[A-Za-z0-9_-]{1,36}$/

/**
 * Our reference of a webhook event: evidence that the operation exists, which comes by itself. From the metadata of
 * the object that the event is about (events long after the call carry it too), else the idempotency key of the request
 * that caused the event. Null where the event has neither.
 *
 * A key of other software may look like a reference: one that the journal does not know is nobody's. Verify the event's
 * signature first (`stripe.webhooks.constructEvent`).
 */
export function referenceOfEvent(event: Pick<Stripe.Event, 'data' | 'request'>): string | null {
  const stored = referenceOf(event.data.object)
  if (stored !== null) return stored
  const key = event.request?.idempotency_key ?? null
  return key !== null && REFERENCE_FORM.test(key) ? key : null
}

/**
 * What a webhook event is news of, for `counterfoil.settleByHint`: the business key that stands in the metadata of its
 * object, with our reference. Null where the event has no key of ours: the resolver, or an audit, sees it without.
 */
export function hintOfEvent(
  event: Pick<Stripe.Event, 'data' | 'request'>,
): { readonly key: string; readonly reference: string | null } | null {
  const key = keyOf(event.data.object)
  return key === null ? null : { key, reference: referenceOfEvent(event) }
}
