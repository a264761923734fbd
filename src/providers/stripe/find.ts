import type Stripe from 'stripe'
import { type Call, OutcomeUnknown, toMs } from '../../protocol/index.js'
import type { SingleSendStripe } from './client.js'
import type { StripeFacts } from './facts.js'
import { pages } from './list.js'
import { REFERENCE_FIELD, referenceOf } from './metadata.js'

/**
 * The payment intent with our reference, or null if there is none. Anything that keeps it from asking is thrown.
 *
 * It reads the *list* of all payment intents that an earlier call can have made, since the list does not lag; only its
 * end proves an absence. Where that is more than a page, search is tried too, as a shortcut: a hit there is as good as
 * any, a miss means nothing (it lags by up to an hour, and is not to be had in India).
 *
 * It does not narrow the list by customer, though it could: if the parameters of an effect change with a deployment,
 * the narrowed list would miss what is there.
 */
export async function findPaymentIntent(
  stripe: SingleSendStripe,
  call: Call,
  facts: StripeFacts,
): Promise<Stripe.PaymentIntent | null> {
  let searched = false
  for await (const { intents, hasMore } of pages(stripe, call, { created: createdRange(call, facts) })) {
    const ours = intents.find((intent) => referenceOf(intent) === call.reference)
    if (ours !== undefined) return ours
    if (!hasMore || searched) continue
    searched = true
    const hit = await searchPaymentIntent(stripe, call)
    if (hit !== null) return hit
  }
  return null
}

/** When, on Stripe's clock, an earlier call can have made something. */
function createdRange(call: Call, facts: StripeFacts): Stripe.RangeQueryParam {
  const { firstSentAtMs, lastDeadlineAtMs } = call
  if (firstSentAtMs === null) {
    throw new OutcomeUnknown(
      'time_of_sending_unknown',
      'It is not known when the first call was sent, so Stripe was not asked.',
      { serviceWell: true },
    )
  }
  const skewMs = toMs(facts.clockSkew, 'clockSkew')
  const from = { gte: Math.floor((firstSentAtMs - skewMs) / 1000) }
  if (lastDeadlineAtMs === null) return from
  return { ...from, lte: Math.ceil((lastDeadlineAtMs + toMs(facts.settlesWithin, 'settlesWithin') + skewMs) / 1000) }
}

async function searchPaymentIntent(stripe: SingleSendStripe, call: Call): Promise<Stripe.PaymentIntent | null> {
  try {
    const query = `metadata['${REFERENCE_FIELD}']:'${call.reference}'`
    const found = await stripe.send(call, (client, options) => client.paymentIntents.search({ query }, options))
    const hit = found.data.find((intent) => referenceOf(intent) === call.reference)
    if (hit === undefined) return null
    // The index shows an object as it was: what it is now, the object itself says.
    return await stripe.send(call, (client, options) => client.paymentIntents.retrieve(hit.id, {}, options))
  } catch {
    return null
  }
}
