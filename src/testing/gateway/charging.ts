import { type Account, businessKeyOf, indexMetadata } from './account.js'
import { type Call, emit, originOf } from './call.js'
import { type Card, type CardBehaviour, declineError } from './cards.js'
import type { ChargeRecord, Metadata } from './records.js'

/** What a new charge is made from. */
export interface ChargeRequest {
  readonly amount: number
  readonly currency: string
  readonly card: Card
  /** How the issuer answers to this charge; it may differ from the card's usual behaviour. */
  readonly behaviour: CardBehaviour
  readonly capture: boolean
  readonly customer: string | null
  readonly description: string | null
  readonly metadata: Metadata
  readonly paymentIntent: string | null
  readonly paymentMethod: string
  readonly receiptEmail: string | null
  readonly statementDescriptor: string | null
}

/** Asks the issuer, stores the charge whether it was approved or declined, and enters moved money in the ledger. */
export function makeCharge(call: Call, request: ChargeRequest): ChargeRecord {
  const { account } = call
  const { amount, behaviour, capture } = request
  const id = account.charges.nextId()
  const failure = behaviour.kind === 'declines' ? declineError(behaviour, id) : null
  const captured = capture && failure === null
  const charge = account.charges.add(
    {
      id,
      created: account.nowSeconds(),
      amount,
      amountCaptured: captured ? amount : 0,
      amountRefunded: 0,
      captured,
      refunded: false,
      currency: request.currency,
      customer: request.customer,
      description: request.description,
      metadata: request.metadata,
      paymentIntent: request.paymentIntent,
      paymentMethod: request.paymentMethod,
      card: request.card,
      receiptEmail: request.receiptEmail,
      statementDescriptor: request.statementDescriptor,
      failure,
    },
    account.world.clock.monotonicMs(),
  )
  indexMetadata(account.chargesByMetadata, id, charge.metadata)
  if (failure === null) enterInLedger(call, charge)
  emit(call, failure === null ? 'charge.succeeded' : 'charge.failed', { object: 'charge', record: charge })
  return charge
}

/** Takes `amount` of a held charge and releases the rest. */
export function captureCharge(call: Call, charge: ChargeRecord, amount: number): ChargeRecord {
  const captured = replaceCharge(call.account, {
    ...charge,
    captured: true,
    amountCaptured: amount,
    amountRefunded: charge.amount - amount,
  })
  call.account.world.ledger.capture(charge.id, amount, originOf(call))
  emit(call, 'charge.captured', { object: 'charge', record: captured })
  return captured
}

/** Releases a held charge: nothing is taken. */
export function voidCharge(call: Call, charge: ChargeRecord): ChargeRecord {
  const released = replaceCharge(call.account, { ...charge, amountRefunded: charge.amount, refunded: true })
  call.account.world.ledger.void(charge.id, originOf(call))
  emit(call, 'charge.refunded', { object: 'charge', record: released })
  return released
}

/** Gives back `amount` of a captured charge. */
export function refundCharge(call: Call, charge: ChargeRecord, amount: number): ChargeRecord {
  const amountRefunded = charge.amountRefunded + amount
  const refunded = replaceCharge(call.account, {
    ...charge,
    amountRefunded,
    refunded: amountRefunded >= charge.amount,
  })
  call.account.world.ledger.refund(charge.id, amount, originOf(call))
  emit(call, 'charge.refunded', { object: 'charge', record: refunded })
  return refunded
}

function replaceCharge(account: Account, charge: ChargeRecord): ChargeRecord {
  return account.charges.replace(charge, account.world.clock.monotonicMs())
}

function enterInLedger(call: Call, charge: ChargeRecord): void {
  const { ledger, businessKeyField } = call.account.world
  const { amount, captured, currency, customer, id, metadata, paymentIntent } = charge
  const { atMs, requestId, idempotencyKey } = originOf(call)
  ledger.enter({
    id,
    paymentIntent,
    account: call.account.name,
    businessKey: businessKeyOf(metadata, businessKeyField),
    customer,
    currency,
    amount,
    amountRefunded: 0,
    state: captured ? 'live' : 'authorized',
    metadata,
    idempotencyKey,
    createdMs: atMs,
    movements: [{ kind: captured ? 'charge' : 'authorize', amount, atMs, requestId, idempotencyKey }],
  })
}
