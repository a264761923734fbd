import type { LedgerCharge } from 'counterfoil/testing'
import type { OrderStatus } from './application.js'

/** A row of the application's table, when all has come to rest. */
export interface OrderRow {
  readonly id: string
  readonly status: OrderStatus
}

/** What became of the customers, counted in orders (except `charges`). */
export interface Counts {
  readonly orders: number
  /** Charges that the gateway made, those that it gave back later included. */
  readonly charges: number
  /** Two or more live charges for one order. */
  readonly chargedTwice: number
  /** Money moved, and the application believes that it did not. */
  readonly paidUnrecorded: number
  /** The application believes that money moved, and it did not. */
  readonly recordedUnpaid: number
  /** The application knows that it does not know, and something still works on it. */
  readonly inDoubt: number
  /** The application knows that it does not know, and a person or an audit has to settle it. */
  readonly parked: number
  /** Charged more than once, and all but one charge given back. */
  readonly repaired: number
  /** Neither paid nor refused nor known to be in doubt: dropped. */
  readonly dropped: number
}

/**
 * The checker. It knows nothing of strategies: it compares the gateway's ledger with the application's table.
 *
 * @throws {Error} when the ledger holds money of an order that does not exist: then the lab itself is broken.
 */
export function judge(rows: readonly OrderRow[], ledger: readonly LedgerCharge[]): Counts {
  const chargesOf = groupByOrder(rows, ledger)
  const each = rows.map((row) => judgeOrder(row, chargesOf.get(row.id) ?? []))
  const count = (what: keyof OrderVerdict): number => each.filter((verdict) => verdict[what]).length
  return {
    orders: rows.length,
    charges: ledger.length,
    chargedTwice: count('chargedTwice'),
    paidUnrecorded: count('paidUnrecorded'),
    recordedUnpaid: count('recordedUnpaid'),
    inDoubt: count('inDoubt'),
    parked: count('parked'),
    repaired: count('repaired'),
    dropped: count('dropped'),
  }
}

interface OrderVerdict {
  readonly chargedTwice: boolean
  readonly paidUnrecorded: boolean
  readonly recordedUnpaid: boolean
  readonly inDoubt: boolean
  readonly parked: boolean
  readonly repaired: boolean
  readonly dropped: boolean
}

function judgeOrder({ status }: OrderRow, charges: readonly LedgerCharge[]): OrderVerdict {
  // A hold is the customer's money too, until it is released.
  const live = charges.filter((charge) => charge.state === 'live' || charge.state === 'authorized').length
  const believedUnpaid = status === 'open' || status === 'failed'
  return {
    chargedTwice: live > 1,
    paidUnrecorded: live > 0 && believedUnpaid,
    recordedUnpaid: live === 0 && status === 'paid',
    inDoubt: status === 'in_doubt',
    parked: status === 'parked',
    repaired: charges.length > 1 && live <= 1,
    dropped: live === 0 && status === 'open',
  }
}

function groupByOrder(rows: readonly OrderRow[], ledger: readonly LedgerCharge[]): Map<string, LedgerCharge[]> {
  const byOrder = new Map<string, LedgerCharge[]>(rows.map((row) => [row.id, []]))
  for (const charge of ledger) {
    const charges = byOrder.get(charge.businessKey ?? '')
    if (charges === undefined) throw new Error(`The charge ${charge.id} is for no order: ${charge.businessKey}.`)
    charges.push(charge)
  }
  return byOrder
}

/** What a cell shows, at its worst. */
export type VerdictClass =
  | 'clean'
  | 'charged-twice'
  | 'paid-unrecorded'
  | 'recorded-unpaid'
  | 'dropped'
  | 'repaired'
  | 'in-doubt'
  | 'parked'

/** The worst first: what harms a customer, what harms the shop, what was mended, what waits for somebody. */
export function classOf(counts: Counts): VerdictClass {
  if (counts.chargedTwice > 0) return 'charged-twice'
  if (counts.paidUnrecorded > 0) return 'paid-unrecorded'
  if (counts.recordedUnpaid > 0) return 'recorded-unpaid'
  if (counts.dropped > 0) return 'dropped'
  if (counts.repaired > 0) return 'repaired'
  if (counts.inDoubt > 0) return 'in-doubt'
  return counts.parked > 0 ? 'parked' : 'clean'
}

/** Whether a promise is broken: that nobody is charged twice, and that money and books agree. */
export function isBroken(counts: Counts): boolean {
  return counts.chargedTwice + counts.paidUnrecorded + counts.recordedUnpaid + counts.dropped > 0
}
