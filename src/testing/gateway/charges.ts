import type { Account } from './account.js'
import { type Call, ok, type Prepare } from './call.js'
import { AUTHENTICATION_REQUIRED, type Card, cardByDetails, cardById } from './cards.js'
import { captureCharge, makeCharge } from './charging.js'
import { ApiError, invalidRequest, missingParameter, noSuchObject } from './errors.js'
import { requireCustomer } from './payment-intents.js'
import type { ChargeRecord } from './records.js'
import { renderCharge } from './render.js'

/** https://docs.stripe.com/api/charges/create */
export const createCharge: Prepare = (call) => {
  const { parameters } = call
  const source = sourceOf(call)
  const draft = {
    amount: parameters.requiredAmount('amount'),
    currency: parameters.requiredCurrency('currency'),
    capture: parameters.flag('capture', true),
    customer: parameters.text('customer'),
    description: parameters.text('description'),
    metadata: parameters.metadata(),
    receiptEmail: parameters.text('receipt_email'),
    statementDescriptor: parameters.text('statement_descriptor'),
  }
  return () => {
    if (draft.customer !== null) requireCustomer(call.account, draft.customer)
    const { behaviour } = source.card
    const charge = makeCharge(call, {
      ...draft,
      card: source.card,
      behaviour: behaviour.kind === 'wants_authentication' ? AUTHENTICATION_REQUIRED : behaviour,
      paymentIntent: null,
      paymentMethod: source.id,
    })
    if (charge.failure !== null) throw new ApiError(402, charge.failure)
    return ok(() => renderCharge(charge))
  }
}

/** https://docs.stripe.com/api/charges/retrieve */
export const retrieveCharge: Prepare = (call) => () => {
  const charge = requireCharge(call.account, call.id)
  return ok(() => renderCharge(charge))
}

/** https://docs.stripe.com/api/charges/capture */
export const captureHeldCharge: Prepare = (call) => {
  const amountToCapture = call.parameters.amount('amount')
  return () => {
    const charge = requireCharge(call.account, call.id)
    if (charge.paymentIntent !== null) {
      throw invalidRequest(`Charge ${charge.id} belongs to a PaymentIntent; capture ${charge.paymentIntent} instead.`)
    }
    if (charge.captured) {
      throw invalidRequest(`Charge ${charge.id} has already been captured.`, { code: 'charge_already_captured' })
    }
    if (charge.refunded || charge.failure !== null) {
      throw invalidRequest(`Charge ${charge.id} holds nothing that could be captured.`)
    }
    const amount = amountToCapture ?? charge.amount
    if (amount > charge.amount) {
      throw invalidRequest('You cannot capture more than the amount of the charge.', {
        code: 'amount_too_large',
        param: 'amount',
      })
    }
    const captured = captureCharge(call, charge, amount)
    return ok(() => renderCharge(captured))
  }
}

/** @throws {ApiError} 404 `resource_missing`. */
export function requireCharge(account: Account, id: string): ChargeRecord {
  const charge = account.charges.get(id)
  if (charge === undefined) throw noSuchObject('charge', id, 'charge')
  return charge
}

function sourceOf(call: Call): { id: string; card: Card } {
  const details = call.parameters.nested('source') ?? call.parameters.nested('card')
  if (details !== null) {
    const card = cardByDetails(details, 'source')
    return { id: `card_${card.last4}`, card }
  }
  const id = call.parameters.text('source') ?? call.parameters.text('card')
  if (id === null) throw missingParameter('source')
  return { id, card: cardById(id, 'source') }
}
