import { type Account, indexMetadata } from './account.js'
import { type Call, emit, ok, type Prepare, type Reply } from './call.js'
import { AUTHENTICATION_REQUIRED, type Card, type CardBehaviour, cardByDetails, cardById } from './cards.js'
import { captureCharge, makeCharge, voidCharge } from './charging.js'
import { ApiError, invalidRequest, noSuchObject } from './errors.js'
import { withChanges } from './parameters.js'
import type { PaymentIntentRecord } from './records.js'
import { renderPaymentIntent } from './render.js'

/** https://docs.stripe.com/api/payment_intents/create */
export const createPaymentIntent: Prepare = (call) => {
  const { parameters } = call
  const confirm = parameters.flag('confirm')
  const offSession = parameters.text('off_session')
  const payment = paymentMethodOf(call)
  // All fields stand here, so that the record below is a plain copy: objects that grow by spreading are slow.
  const draft: PaymentIntentRecord = {
    id: '',
    created: 0,
    amount: parameters.requiredAmount('amount'),
    amountReceived: 0,
    status: payment === null ? 'requires_payment_method' : 'requires_confirmation',
    currency: parameters.requiredCurrency('currency'),
    captureMethod: parameters.choice('capture_method', ['automatic', 'automatic_async', 'manual']) ?? 'automatic_async',
    confirmationMethod: parameters.choice('confirmation_method', ['automatic', 'manual']) ?? 'automatic',
    automaticPaymentMethods: automaticPaymentMethods(call),
    customer: parameters.text('customer'),
    description: parameters.text('description'),
    metadata: parameters.metadata(),
    receiptEmail: parameters.text('receipt_email'),
    setupFutureUsage: parameters.choice('setup_future_usage', ['off_session', 'on_session']),
    statementDescriptor: parameters.text('statement_descriptor'),
    paymentMethod: payment?.id ?? null,
    card: payment?.card ?? null,
    latestCharge: null,
    lastPaymentError: null,
    canceledAt: null,
    cancellationReason: null,
  }
  if (confirm && payment === null) throw missingPaymentMethod()
  if (!confirm && offSession !== null) {
    throw invalidRequest('The parameter `off_session` cannot be passed unless `confirm` is set to true.', {
      param: 'off_session',
    })
  }
  return () => {
    const { account } = call
    if (draft.customer !== null) requireCustomer(account, draft.customer)
    const intent = account.paymentIntents.add(
      { ...draft, id: account.paymentIntents.nextId(), created: account.nowSeconds() },
      account.world.clock.monotonicMs(),
    )
    indexMetadata(account.paymentIntentsByMetadata, intent.id, intent.metadata)
    emit(call, 'payment_intent.created', { object: 'payment_intent', record: intent })
    return confirm ? charge(call, intent, isOffSession(offSession)) : ok(() => renderPaymentIntent(intent))
  }
}

/** https://docs.stripe.com/api/payment_intents/retrieve */
export const retrievePaymentIntent: Prepare = (call) => () => {
  const intent = requirePaymentIntent(call.account, call.id)
  return ok(() => renderPaymentIntent(intent))
}

/** https://docs.stripe.com/api/payment_intents/update */
export const updatePaymentIntent: Prepare = (call) => {
  const { parameters } = call
  const amount = parameters.amount('amount')
  const description = parameters.text('description')
  const customer = parameters.text('customer')
  const receiptEmail = parameters.text('receipt_email')
  const payment = paymentMethodOf(call)
  const metadata = parameters.metadataChanges()
  return () => {
    const { account } = call
    const intent = requirePaymentIntent(account, call.id)
    if (amount !== null && !canConfirm(intent)) throw unexpectedState(intent, 'update the amount of')
    if (customer !== null) requireCustomer(account, customer)
    const updated = replace(account, {
      ...intent,
      amount: amount ?? intent.amount,
      description: description ?? intent.description,
      customer: customer ?? intent.customer,
      receiptEmail: receiptEmail ?? intent.receiptEmail,
      metadata: withChanges(intent.metadata, metadata),
      paymentMethod: payment?.id ?? intent.paymentMethod,
      card: payment?.card ?? intent.card,
      status: payment !== null && intent.status === 'requires_payment_method' ? 'requires_confirmation' : intent.status,
    })
    indexMetadata(account.paymentIntentsByMetadata, updated.id, updated.metadata)
    return ok(() => renderPaymentIntent(updated))
  }
}

/** https://docs.stripe.com/api/payment_intents/confirm */
export const confirmPaymentIntent: Prepare = (call) => {
  const payment = paymentMethodOf(call)
  const offSession = isOffSession(call.parameters.text('off_session'))
  return () => {
    const intent = requirePaymentIntent(call.account, call.id)
    if (!canConfirm(intent)) throw unexpectedState(intent, 'confirm')
    const chosen = payment ?? (intent.card !== null && intent.paymentMethod !== null ? intent : null)
    if (chosen === null) throw missingPaymentMethod()
    return charge(
      call,
      payment === null ? intent : { ...intent, paymentMethod: payment.id, card: payment.card },
      offSession,
    )
  }
}

/** https://docs.stripe.com/api/payment_intents/capture */
export const capturePaymentIntent: Prepare = (call) => {
  const amountToCapture = call.parameters.amount('amount_to_capture')
  const metadata = call.parameters.metadataChanges()
  return () => {
    const { account } = call
    const intent = requirePaymentIntent(account, call.id)
    const held = intent.latestCharge === null ? undefined : account.charges.get(intent.latestCharge)
    if (intent.status !== 'requires_capture' || held === undefined) throw unexpectedState(intent, 'capture')
    const amount = amountToCapture ?? intent.amount
    if (amount > intent.amount) {
      throw invalidRequest('The requested capture amount is greater than the amount you can capture for this charge.', {
        code: 'amount_too_large',
        param: 'amount_to_capture',
      })
    }
    captureCharge(call, held, amount)
    const captured = replace(account, {
      ...intent,
      status: 'succeeded',
      amountReceived: amount,
      metadata: withChanges(intent.metadata, metadata),
    })
    indexMetadata(account.paymentIntentsByMetadata, captured.id, captured.metadata)
    emit(call, 'payment_intent.succeeded', { object: 'payment_intent', record: captured })
    return ok(() => renderPaymentIntent(captured))
  }
}

/** https://docs.stripe.com/api/payment_intents/cancel */
export const cancelPaymentIntent: Prepare = (call) => {
  const reason = call.parameters.choice('cancellation_reason', [
    'abandoned',
    'duplicate',
    'fraudulent',
    'requested_by_customer',
  ])
  return () => {
    const { account } = call
    const intent = requirePaymentIntent(account, call.id)
    if (intent.status === 'succeeded' || intent.status === 'canceled') throw unexpectedState(intent, 'cancel')
    const held = intent.latestCharge === null ? undefined : account.charges.get(intent.latestCharge)
    if (intent.status === 'requires_capture' && held !== undefined) voidCharge(call, held)
    const canceled = replace(account, {
      ...intent,
      status: 'canceled',
      canceledAt: account.nowSeconds(),
      cancellationReason: reason,
    })
    emit(call, 'payment_intent.canceled', { object: 'payment_intent', record: canceled })
    return ok(() => renderPaymentIntent(canceled))
  }
}

/** @throws {ApiError} 404 `resource_missing`. */
export function requirePaymentIntent(account: Account, id: string): PaymentIntentRecord {
  const intent = account.paymentIntents.get(id)
  if (intent === undefined) throw noSuchObject('payment_intent', id, 'intent')
  return intent
}

/** @throws {ApiError} 400 `resource_missing`. */
export function requireCustomer(account: Account, id: string): void {
  if (account.customers.get(id) === undefined) throw noSuchObject('customer', id, 'customer', 400)
}

function charge(call: Call, intent: PaymentIntentRecord, offSession: boolean): Reply {
  const { card, paymentMethod } = intent
  if (card === null || paymentMethod === null) throw missingPaymentMethod()
  const behaviour = behaviourOf(card, offSession)
  if (behaviour.kind === 'wants_authentication') {
    const waiting = replace(call.account, { ...intent, status: 'requires_action' })
    emit(call, 'payment_intent.requires_action', { object: 'payment_intent', record: waiting })
    return ok(() => renderPaymentIntent(waiting))
  }
  const capture = intent.captureMethod !== 'manual'
  const made = makeCharge(call, {
    amount: intent.amount,
    currency: intent.currency,
    card,
    behaviour,
    capture,
    customer: intent.customer,
    description: intent.description,
    metadata: intent.metadata,
    paymentIntent: intent.id,
    paymentMethod,
    receiptEmail: intent.receiptEmail,
    statementDescriptor: intent.statementDescriptor,
  })
  if (made.failure !== null) return declined(call, intent, made.id, made.failure)
  const charged = replace(call.account, {
    ...intent,
    status: capture ? 'succeeded' : 'requires_capture',
    amountReceived: capture ? intent.amount : 0,
    latestCharge: made.id,
    lastPaymentError: null,
  })
  const type = capture ? 'payment_intent.succeeded' : 'payment_intent.amount_capturable_updated'
  emit(call, type, { object: 'payment_intent', record: charged })
  return ok(() => renderPaymentIntent(charged))
}

function declined(call: Call, intent: PaymentIntentRecord, chargeId: string, failure: ApiError['body']): Reply {
  const left = replace(call.account, {
    ...intent,
    status: 'requires_payment_method',
    paymentMethod: null,
    card: null,
    latestCharge: chargeId,
    lastPaymentError: failure,
  })
  emit(call, 'payment_intent.payment_failed', { object: 'payment_intent', record: left })
  throw new ApiError(402, { ...failure, payment_intent: renderPaymentIntent(left) })
}

function behaviourOf(card: Card, offSession: boolean): CardBehaviour {
  return card.behaviour.kind === 'wants_authentication' && offSession ? AUTHENTICATION_REQUIRED : card.behaviour
}

function paymentMethodOf(call: Call): { id: string; card: Card } | null {
  const id = call.parameters.text('payment_method')
  if (id !== null) return { id, card: cardById(id, 'payment_method') }
  const data = call.parameters.nested('payment_method_data')
  if (data === null) return null
  if (data.type !== 'card' || typeof data.card !== 'object') {
    throw invalidRequest('The gateway knows payment methods of the type card alone.', { param: 'payment_method_data' })
  }
  const card = cardByDetails(data.card, 'payment_method_data[card]')
  return { id: `pm_card_${card.last4}`, card }
}

function automaticPaymentMethods(call: Call): boolean {
  const given = call.parameters.nested('automatic_payment_methods')
  if (given !== null) return given.enabled === 'true'
  return call.parameters.array('payment_method_types').length === 0
}

/** `off_session` is a boolean or, for recurring payments, `one_off` or `recurring`. */
function isOffSession(value: string | null): boolean {
  return value !== null && value !== 'false'
}

function canConfirm(intent: PaymentIntentRecord): boolean {
  return ['requires_action', 'requires_confirmation', 'requires_payment_method'].includes(intent.status)
}

function replace(account: Account, intent: PaymentIntentRecord): PaymentIntentRecord {
  return account.paymentIntents.replace(intent, account.world.clock.monotonicMs())
}

function missingPaymentMethod(): ApiError {
  return invalidRequest(
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method.",
    { code: 'payment_intent_unexpected_state' },
  )
}

function unexpectedState(intent: PaymentIntentRecord, verb: string): ApiError {
  return new ApiError(400, {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message: `You cannot ${verb} this PaymentIntent because it has a status of ${intent.status}.`,
    payment_intent: renderPaymentIntent(intent),
  })
}
