import { ApiError, type ErrorBody, invalidRequest, noSuchObject } from './errors.js'
import type { Form } from './form.js'

/** A refusal. `declineCode` is the issuer's reason, where it gives one; `param` is the detail of the card at fault. */
export interface Decline {
  readonly kind: 'declines'
  readonly code: string
  readonly message: string
  readonly declineCode?: string
  readonly param?: string
}

/** How the issuer of a test card answers. */
export type CardBehaviour = { readonly kind: 'approves' } | Decline | { readonly kind: 'wants_authentication' }

/** A test card: what the gateway shows of it and how its issuer answers. */
export interface Card {
  readonly brand: string
  readonly last4: string
  readonly behaviour: CardBehaviour
}

const APPROVES: CardBehaviour = { kind: 'approves' }

function visa(last4: string, behaviour: CardBehaviour): Card {
  return { brand: 'visa', last4, behaviour }
}

function declining(last4: string, declineCode: string, message = 'Your card was declined.'): Card {
  return visa(last4, { kind: 'declines', code: 'card_declined', declineCode, message })
}

/** Test cards by the name that follows `pm_card_` or `tok_` (https://docs.stripe.com/testing). */
const BY_NAME = new Map<string, Card>([
  ['visa', visa('4242', APPROVES)],
  ['visa_debit', visa('5556', APPROVES)],
  ['mastercard', { brand: 'mastercard', last4: '4444', behaviour: APPROVES }],
  ['mastercard_debit', { brand: 'mastercard', last4: '3222', behaviour: APPROVES }],
  ['amex', { brand: 'amex', last4: '8431', behaviour: APPROVES }],
  ['discover', { brand: 'discover', last4: '1117', behaviour: APPROVES }],
  ['diners', { brand: 'diners', last4: '0004', behaviour: APPROVES }],
  ['jcb', { brand: 'jcb', last4: '0505', behaviour: APPROVES }],
  ['unionpay', { brand: 'unionpay', last4: '0005', behaviour: APPROVES }],
  ['chargeDeclined', declining('0002', 'generic_decline')],
  ['chargeDeclinedInsufficientFunds', declining('9995', 'insufficient_funds', 'Your card has insufficient funds.')],
  ['chargeDeclinedLostCard', declining('9987', 'lost_card')],
  ['chargeDeclinedStolenCard', declining('9979', 'stolen_card')],
  ['chargeDeclinedFraudulent', declining('0019', 'fraudulent')],
  [
    'chargeDeclinedVelocityLimitExceeded',
    declining('6975', 'card_velocity_exceeded', 'Your card was declined for making repeated attempts too frequently.'),
  ],
  [
    'chargeDeclinedExpiredCard',
    visa('0069', {
      kind: 'declines',
      code: 'expired_card',
      message: 'Your card has expired.',
      param: 'exp_month',
    }),
  ],
  [
    'chargeDeclinedIncorrectCvc',
    visa('0127', {
      kind: 'declines',
      code: 'incorrect_cvc',
      message: "Your card's security code is incorrect.",
      param: 'cvc',
    }),
  ],
  [
    'chargeDeclinedProcessingError',
    visa('0119', {
      kind: 'declines',
      code: 'processing_error',
      message: 'An error occurred while processing your card. Try again in a little bit.',
    }),
  ],
  ['authenticationRequired', visa('3184', { kind: 'wants_authentication' })],
])

const NAME_BY_NUMBER = new Map([
  ['4242424242424242', 'visa'],
  ['4000056655665556', 'visa_debit'],
  ['5555555555554444', 'mastercard'],
  ['378282246310005', 'amex'],
  ['4000000000000002', 'chargeDeclined'],
  ['4000000000009995', 'chargeDeclinedInsufficientFunds'],
  ['4000000000009987', 'chargeDeclinedLostCard'],
  ['4000000000009979', 'chargeDeclinedStolenCard'],
  ['4100000000000019', 'chargeDeclinedFraudulent'],
  ['4000000000006975', 'chargeDeclinedVelocityLimitExceeded'],
  ['4000000000000069', 'chargeDeclinedExpiredCard'],
  ['4000000000000127', 'chargeDeclinedIncorrectCvc'],
  ['4000000000000119', 'chargeDeclinedProcessingError'],
  ['4000002760003184', 'authenticationRequired'],
])

/**
 * The test card that a payment method or token id names, for example `pm_card_visa`,
 * `pm_card_visa_chargeDeclined` or `tok_chargeDeclinedInsufficientFunds`.
 *
 * @throws {ApiError} `resource_missing` when it names no test card.
 */
export function cardById(id: string, param: string): Card {
  const name = id.replace(/^(?:pm_card|tok)_(?:visa_(?=charge))?/, '')
  const card = name === id ? undefined : BY_NAME.get(name)
  if (card === undefined) throw noSuchObject(id.startsWith('tok_') ? 'token' : 'PaymentMethod', id, param, 400)
  return card
}

/** The test card behind `source[number]` or `payment_method_data[card][number | token]`. */
export function cardByDetails(details: Form, param: string): Card {
  const { token, number } = details
  if (typeof token === 'string') return cardById(token, `${param}[token]`)
  if (typeof number !== 'string') throw invalidRequest(`Missing required param: ${param}[number].`, { param })
  const card = BY_NAME.get(NAME_BY_NUMBER.get(number.replaceAll(/[ -]/g, '')) ?? '')
  if (card !== undefined) return card
  throw new ApiError(402, {
    type: 'card_error',
    code: 'incorrect_number',
    message: 'Your card number is incorrect.',
    param: `${param}[number]`,
  })
}

/** The decline of a card that wants its holder to be present, when the holder is not (`off_session`). */
export const AUTHENTICATION_REQUIRED = {
  kind: 'declines',
  code: 'authentication_required',
  declineCode: 'authentication_required',
  message: 'Your card was declined. This transaction requires authentication.',
} as const satisfies CardBehaviour

/** The `error` object of a decline: what a 402 carries and what a payment intent keeps as `last_payment_error`. */
export function declineError({ code, declineCode, message, param }: Decline, chargeId: string): ErrorBody {
  return {
    type: 'card_error',
    code,
    ...(declineCode !== undefined && { decline_code: declineCode }),
    message,
    ...(param !== undefined && { param }),
    charge: chargeId,
  }
}
