import type Stripe from 'stripe'
import { OutcomeUnknown, Rejected } from '../../protocol/index.js'

/**
 * What is kept of a payment intent. No secret is in it (a `client_secret` lets its bearer act for the customer):
 * whoever needs one retrieves the payment intent by `id`.
 *
 * `status` tells what has been reached: `succeeded`, money came in; `requires_capture`, it is held; `processing`, the
 * bank has the last word, days later, told by an event; `requires_action`, the customer has to act. The last three are
 * executed effects, but not yet payments: look before you ship.
 */
export type PaymentIntentReceipt = {
  readonly id: string
  readonly object: 'payment_intent'
  readonly status: Stripe.PaymentIntent['status']
  /** In the smallest unit of the currency. */
  readonly amount: number
  readonly amount_received: number
  readonly amount_capturable: number
  readonly currency: string
  readonly latest_charge: string | null
  /** Seconds since the Unix epoch, on Stripe's clock. */
  readonly created: number
  readonly livemode: boolean
}

/**
 * What a payment intent says of the effect that asked for it.
 *
 * @param charges whether the effect was to charge, or only to make a payment intent that is confirmed later.
 * @throws {Rejected} if it is known for good that no money came or will come of it.
 * @throws {OutcomeUnknown} if it stands between: it exists, but may still be on its way to either.
 */
export function receiptOf(intent: Stripe.PaymentIntent, charges: boolean): PaymentIntentReceipt {
  switch (intent.status) {
    case 'succeeded':
    case 'processing':
    case 'requires_capture':
    case 'requires_action':
      return slim(intent)
    case 'canceled':
      // It moved no money and never can: only a payment intent without a captured charge can be cancelled. To say
      // "executed" would have the goods shipped; to say "absent" would charge for what somebody has called off.
      throw new Rejected('payment_intent_canceled', `${intent.id} was cancelled, so that no money comes of it.`, {
        settlesDoubt: true,
        detail: { payment_intent: intent.id, cancellation_reason: intent.cancellation_reason },
      })
    case 'requires_payment_method':
    case 'requires_confirmation':
      if (!charges) return slim(intent)
      if (intent.last_payment_error !== null) throw declined(intent, intent.last_payment_error)
      // Seen in the middle of its own request, or left behind by one that broke off: only time can tell.
      throw between(intent)
    default:
      throw between(intent)
  }
}

function slim(intent: Stripe.PaymentIntent): PaymentIntentReceipt {
  const { latest_charge: charge } = intent
  return {
    id: intent.id,
    object: 'payment_intent',
    status: intent.status,
    amount: intent.amount,
    amount_received: intent.amount_received,
    amount_capturable: intent.amount_capturable,
    currency: intent.currency,
    latest_charge: charge === null || typeof charge === 'string' ? charge : charge.id,
    created: intent.created,
    livemode: intent.livemode,
  }
}

function declined(intent: Stripe.PaymentIntent, error: Stripe.PaymentIntent.LastPaymentError): Rejected {
  return new Rejected(error.code ?? 'declined', error.message ?? 'The payment was declined.', {
    settlesDoubt: true,
    detail: { payment_intent: intent.id, decline_code: error.decline_code ?? null, charge: error.charge ?? null },
  })
}

function between(intent: Stripe.PaymentIntent): OutcomeUnknown {
  return new OutcomeUnknown(
    'payment_intent_unfinished',
    `${intent.id} exists and is ${intent.status}, which is neither paid nor refused. If it stays so, confirm or cancel ` +
      'it at Stripe.',
    { detail: { payment_intent: intent.id, status: intent.status }, serviceWell: true },
  )
}
