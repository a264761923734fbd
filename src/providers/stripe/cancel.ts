import type Stripe from 'stripe'
import { type Call, type CancelRequest, NotExecuted, Rejected, type UndoProvider } from '../../protocol/index.js'
import { answerTo, classifyStripeError } from './classify.js'
import type { SingleSendStripe } from './client.js'
import { METADATA_LIMITS, PAGE_SIZE, type StripeFacts } from './facts.js'
import { ourMetadata, referenceOf } from './metadata.js'
import type { PaymentIntentReceipt } from './receipt.js'

/** What undid a payment: the payment intent that was cancelled, or the refund that was made. */
export type PaymentIntentUndone = {
  readonly id: string
  readonly object: 'payment_intent' | 'refund'
  readonly status: string | null
  /** What was given back or set free, in the smallest unit of the currency. */
  readonly amount: number
  readonly currency: string
}

/**
 * How payments are undone, as a service of its own: a refund honours its key as a payment does, and a lost response is
 * looked up among the payment's few refunds, whose list does not lag.
 */
export function undoing(stripe: SingleSendStripe, facts: StripeFacts): UndoProvider<PaymentIntentReceipt> {
  return {
    settlesWithin: facts.settlesWithin,
    ...(facts.idempotencyKey === null ? {} : { idempotencyKey: facts.idempotencyKey }),
    execute: (request, call) => undo(stripe, request, call),
    find: (request, call) => findUndone(stripe, request, call),
    classify: classifyStripeError,
    externalId: (undone) => (undone as PaymentIntentUndone).id,
  }
}

/**
 * Undoes a payment: cancels the payment intent while no money has been captured, else refunds it, in part if asked.
 * `call.reference` is the idempotency key of the one request that changes something, and stands in a refund's metadata:
 * a refund that an earlier call made is found by it and returned, also long after the key has expired.
 */
async function undo(
  stripe: SingleSendStripe,
  request: CancelRequest<PaymentIntentReceipt>,
  call: Call,
): Promise<PaymentIntentUndone> {
  const intent = await read(() =>
    stripe.send(call, (client, options) =>
      client.paymentIntents.retrieve(request.externalId, { expand: ['latest_charge'] }, options),
    ),
  )
  switch (intent.status) {
    case 'canceled':
      return cancelled(intent)
    case 'succeeded':
      return refund(stripe, intent, request, call)
    case 'processing':
      throw new NotExecuted(
        'payment_processing',
        `${intent.id} is with the bank and can be neither cancelled nor refunded yet. Nothing was undone.`,
      )
    default:
      return cancelIntent(stripe, intent, request, call)
  }
}

/** What an earlier call of this compensation did, or null if there is nothing of it. */
async function findUndone(
  stripe: SingleSendStripe,
  request: CancelRequest<PaymentIntentReceipt>,
  call: Call,
): Promise<PaymentIntentUndone | null> {
  const intent = await read(() =>
    stripe.send(call, (client, options) => client.paymentIntents.retrieve(request.externalId, {}, options)),
  )
  if (intent.status === 'canceled') return cancelled(intent)
  const earlier = await refundWithReference(stripe, intent.id, call)
  return earlier === null ? null : refunded(earlier)
}

async function cancelIntent(
  stripe: SingleSendStripe,
  intent: Stripe.PaymentIntent,
  request: CancelRequest<PaymentIntentReceipt>,
  call: Call,
): Promise<PaymentIntentUndone> {
  if (request.minorUnits !== null && request.minorUnits < intent.amount) {
    throw new Rejected(
      'partial_cancel',
      `${intent.id} is ${intent.status}: Stripe can cancel all of it, not a part. Capture less instead. Nothing was undone.`,
    )
  }
  const reason = enumerated(request.reason, CANCELLATION_REASONS)
  const params = reason === undefined ? {} : { cancellation_reason: reason }
  try {
    return cancelled(
      await stripe.send(call, (client, options) =>
        client.paymentIntents.cancel(intent.id, params, { ...options, idempotencyKey: call.reference }),
      ),
    )
  } catch (error) {
    throw stateChanged(error) ?? answerTo(error)
  }
}

async function refund(
  stripe: SingleSendStripe,
  intent: Stripe.PaymentIntent,
  request: CancelRequest<PaymentIntentReceipt>,
  call: Call,
): Promise<PaymentIntentUndone> {
  const earlier = await refundWithReference(stripe, intent.id, call)
  if (earlier !== null) return refunded(earlier)
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null
  if (request.minorUnits === null && charge?.refunded === true) {
    // Somebody else gave it all back: what was asked for is so, and nothing of ours did it.
    return { id: charge.id, object: 'refund', status: 'already_refunded', amount: 0, currency: intent.currency }
  }
  const reason = enumerated(request.reason, REFUND_REASONS)
  const params: Stripe.RefundCreateParams = {
    payment_intent: intent.id,
    ...(request.minorUnits === null ? {} : { amount: request.minorUnits }),
    ...(reason === undefined ? {} : { reason }),
    metadata: { ...ourMetadata(call), counterfoil_reason: request.reason.slice(0, METADATA_LIMITS.valueLength) },
  }
  return refunded(await makeRefund(stripe, params, call))
}

async function makeRefund(
  stripe: SingleSendStripe,
  params: Stripe.RefundCreateParams,
  call: Call,
): Promise<Stripe.Refund> {
  try {
    return await stripe.send(call, (client, options) =>
      client.refunds.create(params, { ...options, idempotencyKey: call.reference }),
    )
  } catch (error) {
    throw answerTo(error)
  }
}

/** The refund that an earlier call of this compensation made. A payment has few refunds, and their list does not lag. */
async function refundWithReference(
  stripe: SingleSendStripe,
  intent: string,
  call: Call,
): Promise<Stripe.Refund | null> {
  let after: string | undefined
  for (;;) {
    const cursor = after === undefined ? {} : { starting_after: after }
    const params = { payment_intent: intent, limit: PAGE_SIZE, ...cursor }
    const page = await read(() => stripe.send(call, (client, options) => client.refunds.list(params, options)))
    const ours = page.data.find((each) => referenceOf(each) === call.reference)
    if (ours !== undefined) return ours
    after = page.data.at(-1)?.id
    if (!page.has_more || after === undefined) return null
  }
}

function cancelled(intent: Stripe.PaymentIntent): PaymentIntentUndone {
  return {
    id: intent.id,
    object: 'payment_intent',
    status: intent.status,
    amount: intent.amount,
    currency: intent.currency,
  }
}

/** @throws {Rejected} if the refund failed: the money is still with the merchant. */
function refunded(refund: Stripe.Refund): PaymentIntentUndone {
  if (refund.status === 'failed' || refund.status === 'canceled') {
    throw new Rejected(
      `refund_${refund.status}`,
      `Refund ${refund.id} is ${refund.status} (${refund.failure_reason ?? 'no reason given'}): the money was not given back.`,
      { settlesDoubt: true, detail: { refund: refund.id } },
    )
  }
  return { id: refund.id, object: 'refund', status: refund.status, amount: refund.amount, currency: refund.currency }
}

/** A failed read changes nothing, so that it may be tried again; only a payment that does not exist is final. */
async function read<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    const answer = answerTo(error)
    if (answer instanceof NotExecuted) throw answer
    if (answer instanceof Rejected && answer.reason.code === 'resource_missing') throw answer
    const message = error instanceof Error ? error.message : String(error)
    throw new NotExecuted('could_not_read', `Stripe could not be read, so nothing was undone: ${message}`, {
      cause: error,
    })
  }
}

/** The payment moved on between our look and our request (it was captured, say): the next try looks again. */
function stateChanged(error: unknown): NotExecuted | undefined {
  const answer = answerTo(error)
  if (!(answer instanceof Rejected) || answer.reason.code !== 'payment_intent_unexpected_state') return undefined
  return new NotExecuted('payment_intent_unexpected_state', answer.message, { cause: error })
}

const REFUND_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const
const CANCELLATION_REASONS = [...REFUND_REASONS, 'abandoned'] as const

function enumerated<const Reason extends string>(reason: string, known: readonly Reason[]): Reason | undefined {
  return known.find((each) => each === reason)
}
