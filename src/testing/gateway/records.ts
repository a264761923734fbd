import type { Card } from './cards.js'
import type { ErrorBody } from './errors.js'

/** Metadata as the caller gave it. */
export type Metadata = Readonly<Record<string, string>>

/** What every stored object has. Records are immutable: a change is a new record, so an event can keep the old one. */
export interface ObjectRecord {
  readonly id: string
  /** Seconds since the epoch, as Stripe counts. */
  readonly created: number
}

export type PaymentIntentStatus =
  | 'canceled'
  | 'requires_action'
  | 'requires_capture'
  | 'requires_confirmation'
  | 'requires_payment_method'
  | 'succeeded'

/** A payment intent, without the constant fields that only its rendering needs. */
export interface PaymentIntentRecord extends ObjectRecord {
  readonly amount: number
  readonly amountReceived: number
  readonly currency: string
  readonly status: PaymentIntentStatus
  readonly captureMethod: 'automatic' | 'automatic_async' | 'manual'
  readonly confirmationMethod: 'automatic' | 'manual'
  readonly automaticPaymentMethods: boolean
  readonly customer: string | null
  readonly description: string | null
  readonly metadata: Metadata
  readonly paymentMethod: string | null
  readonly card: Card | null
  readonly receiptEmail: string | null
  readonly setupFutureUsage: string | null
  readonly statementDescriptor: string | null
  readonly latestCharge: string | null
  readonly lastPaymentError: ErrorBody | null
  readonly canceledAt: number | null
  readonly cancellationReason: string | null
}

/** A charge; `failure` is null unless the card declined. */
export interface ChargeRecord extends ObjectRecord {
  readonly amount: number
  readonly amountCaptured: number
  readonly amountRefunded: number
  readonly captured: boolean
  readonly refunded: boolean
  readonly currency: string
  readonly customer: string | null
  readonly description: string | null
  readonly metadata: Metadata
  readonly paymentIntent: string | null
  readonly paymentMethod: string
  readonly card: Card
  readonly receiptEmail: string | null
  readonly statementDescriptor: string | null
  readonly failure: ErrorBody | null
}

export interface RefundRecord extends ObjectRecord {
  readonly amount: number
  readonly currency: string
  readonly charge: string
  readonly paymentIntent: string | null
  readonly metadata: Metadata
  readonly reason: string | null
}

export interface CustomerRecord extends ObjectRecord {
  readonly email: string | null
  readonly name: string | null
  readonly phone: string | null
  readonly description: string | null
  readonly metadata: Metadata
}

/** An event: its type, the object as it was then, and the request that caused it. */
export interface EventRecord extends ObjectRecord {
  readonly type: string
  readonly subject: Subject
  readonly requestId: string
  /** Null where the gateway's level ignores keys. */
  readonly idempotencyKey: string | null
  readonly apiVersion: string
}

/** An object that an event is about. */
export type Subject =
  | { readonly object: 'payment_intent'; readonly record: PaymentIntentRecord }
  | { readonly object: 'charge'; readonly record: ChargeRecord }
  | { readonly object: 'refund'; readonly record: RefundRecord }
  | { readonly object: 'customer'; readonly record: CustomerRecord }
