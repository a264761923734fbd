import type { Account } from './account.js'
import { emit, ok, type Prepare } from './call.js'
import { requireCharge } from './charges.js'
import { refundCharge, voidCharge } from './charging.js'
import { invalidRequest, noSuchObject } from './errors.js'
import { requirePaymentIntent } from './payment-intents.js'
import type { ChargeRecord, RefundRecord } from './records.js'
import { renderRefund } from './render.js'

/** https://docs.stripe.com/api/refunds/create */
export const createRefund: Prepare = (call) => {
  const { parameters } = call
  const chargeId = parameters.text('charge')
  const intentId = parameters.text('payment_intent')
  const amount = parameters.amount('amount')
  const metadata = parameters.metadata()
  const reason = parameters.choice('reason', ['duplicate', 'fraudulent', 'requested_by_customer'])
  if (chargeId === null && intentId === null) {
    throw invalidRequest('One of the following params should be provided for this request: payment_intent or charge.')
  }
  return () => {
    const { account } = call
    const charge = chargeId !== null ? requireCharge(account, chargeId) : chargeOf(account, intentId ?? '')
    const refunded = amountToRefund(charge, amount)
    if (charge.captured) refundCharge(call, charge, refunded)
    else voidCharge(call, charge)
    const refund = account.refunds.add(
      {
        id: account.refunds.nextId(),
        created: account.nowSeconds(),
        amount: refunded,
        currency: charge.currency,
        charge: charge.id,
        paymentIntent: charge.paymentIntent,
        metadata,
        reason,
      },
      account.world.clock.monotonicMs(),
    )
    emit(call, 'refund.created', { object: 'refund', record: refund })
    return ok(() => renderRefund(refund))
  }
}

/** https://docs.stripe.com/api/refunds/retrieve */
export const retrieveRefund: Prepare = (call) => () => {
  const refund = requireRefund(call.account, call.id)
  return ok(() => renderRefund(refund))
}

function requireRefund(account: Account, id: string): RefundRecord {
  const refund = account.refunds.get(id)
  if (refund === undefined) throw noSuchObject('refund', id, 'refund')
  return refund
}

/** A refund names a payment intent; what is refunded is its charge, which must have taken money. */
function chargeOf(account: Account, intentId: string): ChargeRecord {
  const intent = requirePaymentIntent(account, intentId)
  const charge = intent.latestCharge === null ? undefined : account.charges.get(intent.latestCharge)
  if (charge === undefined || !charge.captured) {
    throw invalidRequest(`This PaymentIntent (${intentId}) does not have a successful charge to refund.`)
  }
  return charge
}

function amountToRefund(charge: ChargeRecord, asked: number | null): number {
  if (charge.failure !== null) throw invalidRequest(`Charge ${charge.id} failed; there is nothing to refund.`)
  if (charge.refunded) {
    throw invalidRequest(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' })
  }
  if (!charge.captured && charge.paymentIntent !== null) {
    throw invalidRequest(`Charge ${charge.id} is not captured; cancel ${charge.paymentIntent} instead.`)
  }
  const left = charge.amount - charge.amountRefunded
  const amount = asked ?? left
  if (!charge.captured && amount < charge.amount) {
    throw invalidRequest(
      'You cannot partially refund an uncaptured charge. Instead, capture the charge for an amount less than the original amount',
      { param: 'amount' },
    )
  }
  if (amount <= left) return amount
  throw invalidRequest(
    `Refund amount (${money(amount)}) is greater than unrefunded amount on charge (${money(left)})`,
    { param: 'amount' },
  )
}

function money(amount: number): string {
  return `$${(amount / 100).toFixed(2)}`
}
