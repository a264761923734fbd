import type { Metadata } from './records.js'

/**
 * - `live`: the money was taken and not (wholly) given back.
 * - `authorized`: the money is held, not yet captured.
 * - `refunded`: all of it was given back.
 * - `voided`: the hold was released and nothing was taken.
 */
export type LedgerState = 'authorized' | 'live' | 'refunded' | 'voided'

/** One movement of money, in the order in which they happened. */
export interface Movement {
  readonly kind: 'authorize' | 'capture' | 'charge' | 'refund' | 'void'
  readonly amount: number
  /** Wall-clock milliseconds by the gateway's clock. */
  readonly atMs: number
  readonly requestId: string
  /** The `Idempotency-Key` header as it was sent, also where the gateway's level ignores it; null if none. */
  readonly idempotencyKey: string | null
}

/** A charge as the ledger keeps it. Declined charges moved nothing and are not in the ledger. */
export interface LedgerCharge {
  /** `ch_…` */
  readonly id: string
  /** `pi_…`, or null for a charge made without one. */
  readonly paymentIntent: string | null
  readonly account: string
  /** What must be paid once, as the request's metadata said; null if it did not say. */
  readonly businessKey: string | null
  readonly customer: string | null
  readonly currency: string
  /** Smallest currency unit: what was taken, or what is held. */
  readonly amount: number
  readonly amountRefunded: number
  readonly state: LedgerState
  readonly metadata: Metadata
  /** The `Idempotency-Key` header of the request that moved the money, as sent; null if none. */
  readonly idempotencyKey: string | null
  readonly createdMs: number
  readonly movements: readonly Movement[]
}

/** How often and with how much a business key was charged, when all has come to rest. */
export interface LedgerTotals {
  readonly charges: number
  readonly live: number
  readonly refunded: number
  readonly voided: number
  readonly authorized: number
  readonly businessKeys: number
  readonly chargedTwice: number
}

/** What the gateway knows of the request that moves money. */
export type MovementOrigin = Omit<Movement, 'amount' | 'kind'>

/**
 * The truth about money: every charge that the gateway made, whatever its callers were told. Reads return snapshots.
 * It is for tests, the lab and audits of audits; nothing that is being tested may look at it.
 */
export class Ledger {
  readonly #byId = new Map<string, LedgerCharge>()
  readonly #byBusinessKey = new Map<string, string[]>()

  /** A ledger that holds a snapshot, for reading one that came over the wire. */
  static of(charges: readonly LedgerCharge[]): Ledger {
    const ledger = new Ledger()
    for (const charge of charges) ledger.enter(charge)
    return ledger
  }

  /** Every charge, oldest first. */
  all(): LedgerCharge[] {
    return [...this.#byId.values()]
  }

  /** One charge by its `ch_…` id. */
  get(chargeId: string): LedgerCharge | undefined {
    return this.#byId.get(chargeId)
  }

  /** Every charge of a business key, oldest first. */
  charges(businessKey: string): LedgerCharge[] {
    return (this.#byBusinessKey.get(businessKey) ?? []).flatMap((id) => this.#byId.get(id) ?? [])
  }

  /** The charges of a business key for which the customer's money is still gone. */
  liveCharges(businessKey: string): LedgerCharge[] {
    return this.charges(businessKey).filter((charge) => charge.state === 'live')
  }

  /** The business keys that have two or more live charges, in the order of their first charge. */
  chargedTwice(): string[] {
    return this.businessKeys().filter((businessKey) => this.liveCharges(businessKey).length > 1)
  }

  /** Every business key for which money ever moved, in the order of the first movement. */
  businessKeys(): string[] {
    return [...this.#byBusinessKey.keys()]
  }

  /** Counts over everything. */
  totals(): LedgerTotals {
    const counts = { authorized: 0, live: 0, refunded: 0, voided: 0 }
    for (const { state } of this.#byId.values()) counts[state] += 1
    return {
      charges: this.#byId.size,
      ...counts,
      businessKeys: this.#byBusinessKey.size,
      chargedTwice: this.chargedTwice().length,
    }
  }

  /** @internal Money was taken, or is held. */
  enter(charge: LedgerCharge): void {
    this.#byId.set(charge.id, charge)
    if (charge.businessKey === null) return
    const ids = this.#byBusinessKey.get(charge.businessKey)
    if (ids === undefined) this.#byBusinessKey.set(charge.businessKey, [charge.id])
    else ids.push(charge.id)
  }

  /** @internal A hold became a charge of `amount`; the rest of the hold was released. */
  capture(chargeId: string, amount: number, origin: MovementOrigin): void {
    this.#change(chargeId, { kind: 'capture', amount, ...origin }, () => ({ state: 'live', amount }))
  }

  /** @internal A part or all of the money was given back. */
  refund(chargeId: string, amount: number, origin: MovementOrigin): void {
    this.#change(chargeId, { kind: 'refund', amount, ...origin }, (charge) => {
      const amountRefunded = charge.amountRefunded + amount
      return { amountRefunded, state: amountRefunded >= charge.amount ? 'refunded' : 'live' }
    })
  }

  /** @internal A hold was released. */
  void(chargeId: string, origin: MovementOrigin): void {
    this.#change(chargeId, { kind: 'void', amount: 0, ...origin }, () => ({ state: 'voided' }))
  }

  /** @internal Forgets everything. */
  clear(): void {
    this.#byId.clear()
    this.#byBusinessKey.clear()
  }

  #change(chargeId: string, movement: Movement, change: (charge: LedgerCharge) => Partial<LedgerCharge>): void {
    const charge = this.#byId.get(chargeId)
    if (charge === undefined) throw new Error(`The ledger has no charge ${chargeId}.`)
    this.#byId.set(chargeId, { ...charge, ...change(charge), movements: [...charge.movements, movement] })
  }
}
