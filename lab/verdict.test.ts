import type { LedgerCharge, LedgerState } from 'counterfoil/testing'
import { describe, expect, it } from 'vitest'
import type { OrderStatus } from './application.js'
import { classOf, isBroken, judge } from './verdict.js'

function chargesOf(order: string, ...states: LedgerState[]): LedgerCharge[] {
  return states.map((state, index) => ({
    id: `ch_${order}_${index}`,
    paymentIntent: null,
    account: 'sk_test_lab',
    businessKey: order,
    customer: null,
    currency: 'eur',
    amount: 1_000,
    amountRefunded: state === 'refunded' ? 1_000 : 0,
    state,
    metadata: {},
    idempotencyKey: null,
    createdMs: 0,
    movements: [],
  }))
}

function judgeOne(status: OrderStatus, ...states: LedgerState[]) {
  return judge([{ id: 'order-1', status }], chargesOf('order-1', ...states))
}

describe('judge', () => {
  it('finds nothing wrong where one live charge is recorded as paid, and none as failed', () => {
    expect(classOf(judgeOne('paid', 'live'))).toBe('clean')
    expect(classOf(judgeOne('failed'))).toBe('clean')
  })

  it('counts an order with two live charges as charged twice, once, however many there are', () => {
    const counts = judgeOne('paid', 'live', 'live', 'live')
    expect(counts).toMatchObject({ orders: 1, charges: 3, chargedTwice: 1, repaired: 0 })
    expect(classOf(counts)).toBe('charged-twice')
  })

  it('counts a hold that stands beside a charge as charged twice', () => {
    expect(judgeOne('paid', 'live', 'authorized').chargedTwice).toBe(1)
  })

  it('counts a duplicate that was refunded or voided as repaired, not as charged twice', () => {
    expect(judgeOne('paid', 'refunded', 'live')).toMatchObject({ charges: 2, chargedTwice: 0, repaired: 1 })
    expect(judgeOne('paid', 'live', 'voided')).toMatchObject({ chargedTwice: 0, repaired: 1 })
  })

  it('counts money that the application believes it did not take as paid but unrecorded', () => {
    expect(judgeOne('failed', 'live').paidUnrecorded).toBe(1)
    expect(judgeOne('open', 'live').paidUnrecorded).toBe(1)
  })

  it('counts money that the application wrongly believes to have as recorded but unpaid', () => {
    expect(judgeOne('paid').recordedUnpaid).toBe(1)
    expect(judgeOne('paid', 'refunded').recordedUnpaid).toBe(1)
  })

  it('counts doubt that the application knows of apart, whether money moved or not', () => {
    for (const states of [[], ['live']] as const) {
      expect(judgeOne('in_doubt', ...states)).toMatchObject({ inDoubt: 1, paidUnrecorded: 0, recordedUnpaid: 0 })
      expect(judgeOne('parked', ...states)).toMatchObject({ parked: 1, paidUnrecorded: 0, recordedUnpaid: 0 })
    }
  })

  it('counts an order that nobody took care of as dropped', () => {
    expect(judgeOne('open')).toMatchObject({ dropped: 1 })
    expect(isBroken(judgeOne('open'))).toBe(true)
  })

  it('does not excuse a second charge by a doubt', () => {
    expect(classOf(judgeOne('parked', 'live', 'live'))).toBe('charged-twice')
  })

  it('calls doubt and repair unbroken, and every harm broken', () => {
    expect(isBroken(judgeOne('parked', 'live'))).toBe(false)
    expect(isBroken(judgeOne('paid', 'live', 'refunded'))).toBe(false)
    expect(isBroken(judgeOne('paid', 'live', 'live'))).toBe(true)
    expect(isBroken(judgeOne('failed', 'live'))).toBe(true)
    expect(isBroken(judgeOne('paid'))).toBe(true)
  })

  it('refuses a ledger with money of an order that does not exist', () => {
    expect(() => judge([{ id: 'order-1', status: 'paid' }], chargesOf('order-2', 'live'))).toThrow(/order-2/)
  })
})
