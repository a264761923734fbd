import { Ledger, type LedgerCharge, type LoggedRequest } from 'counterfoil/testing'
import { describe, expect, it } from 'vitest'
import { type EntryRow, type Facts, findViolations } from './checks.js'
import type { NotBefore } from './load.js'

const ORDER = { customer: 'ann', cents: 100, card: 'pm_card_visa', tipped: false }

/** Two orders of one customer, charged and settled once each, one after the other: nothing is wrong. */
function good(): Facts {
  const keys = ['order-0', 'order-1']
  return {
    load: {
      orders: keys.map((id, place) => ({ ...ORDER, id, place })),
      rolledBack: ['ghost-order-0'],
      notBefore: new Map(),
    },
    ledger: Ledger.of(keys.map((key) => charge(key))),
    calls: [call('order-0', 0, 10), call('order-1', 20, 30)],
    entries: keys.map((key) => entry(key)),
    settlements: keys.map((key) => ({
      effect: 'charge-order',
      key,
      outcome: 'succeeded',
      externalId: `pi_${key}`,
      atMs: 0,
    })),
    stops: [],
    ordersKept: new Set(keys),
  }
}

function charge(businessKey: string, id = `ch_${businessKey}`): LedgerCharge {
  return {
    id,
    paymentIntent: `pi_${businessKey}`,
    account: 'any',
    businessKey,
    customer: null,
    currency: 'eur',
    amount: 100,
    amountRefunded: 0,
    state: 'live',
    metadata: {},
    idempotencyKey: null,
    createdMs: 0,
    movements: [],
  }
}

function entry(key: string): EntryRow {
  return {
    effect: 'charge-order',
    key,
    state: 'succeeded',
    settlement: 'done',
    reason: null,
    fence: 1,
    attempts: 1,
    createdAtMs: 0,
    firstSentAtMs: 0,
  }
}

function call(
  businessKey: string,
  receivedMs: number,
  finishedMs: number | null,
  client = 'worker-1-1',
): LoggedRequest {
  return {
    id: `req_${receivedMs}`,
    businessKey,
    receivedMs,
    finishedMs,
    method: 'POST',
    path: '/v1/payment_intents',
    route: 'payment_intents.create',
    idempotencyKey: null,
    userAgent: `Stripe/v1 NodeBindings/1 ${client}`,
    fault: null,
    executed: true,
    replayed: false,
    status: 200,
    outcome: finishedMs === null ? 'waiting' : 'answered',
  }
}

/** The second order was not to be charged before a moment: what the journal and the gateway say of when it was. */
function putOff(notBefore: NotBefore, sentAtMs: number, receivedMs: number): Partial<Facts> {
  const { load, entries } = good()
  return {
    load: { ...load, notBefore: new Map([['order-1', notBefore]]) },
    entries: entries.map((each) =>
      each.key === 'order-1' ? { ...each, createdAtMs: 100.25, firstSentAtMs: sentAtMs } : each,
    ),
    calls: [call('order-0', 0, 10), call('order-1', receivedMs, receivedMs + 10)],
  }
}

const BROKEN: readonly (readonly [string, Partial<Facts>])[] = [
  [
    'a second charge of a key',
    { ledger: Ledger.of([charge('order-0'), charge('order-1'), charge('order-0', 'ch_2')]) },
  ],
  ['a success without a charge', { ledger: Ledger.of([charge('order-0')]) }],
  ['a customer out of order', { ledger: Ledger.of([charge('order-1'), charge('order-0')]) }],
  ['a second settlement', { settlements: [...good().settlements, ...good().settlements.slice(0, 1)] }],
  ['a settlement that is not there', { settlements: good().settlements.slice(0, 1) }],
  [
    'a settlement with another outcome',
    { settlements: good().settlements.map((each) => ({ ...each, outcome: 'failed' })) },
  ],
  ['an effect that has not ended', { entries: good().entries.map((each) => ({ ...each, state: 'in_doubt' })) }],
  ['an effect that is not there', { entries: good().entries.slice(0, 1) }],
  ['a committed order that is not there', { ordersKept: new Set(['order-0']) }],
  ['an order that was rolled back and is there', { ordersKept: new Set(['order-0', 'order-1', 'ghost-order-0']) }],
  ['a failure with a charge', { entries: good().entries.map((each) => ({ ...each, state: 'failed' })) }],
  ['two calls for one key at once', { calls: [call('order-0', 0, 10), call('order-0', 5, 20)] }],
  ['two calls for one customer at once', { calls: [call('order-0', 0, null), call('order-1', 5, 20)] }],
  ['a wait that was cut short by the journal', putOff(700, 800.249, 801)],
  ['a wait that was cut short at the gateway', putOff(700, 800.25, 799)],
  ['a moment that the journal did not wait for', putOff(new Date(900), 899.999, 900)],
  ['a moment before which the gateway was called', putOff(new Date(900), 900, 899)],
]

describe('the checks of chaos', () => {
  it('find nothing where nothing is wrong', () => {
    expect(findViolations(good())).toMatchObject({ violations: [], chargedTwice: 0, lost: 0, effects: 2, charges: 2 })
  })

  it.each(BROKEN)('find %s', (_what, facts) => {
    expect(findViolations({ ...good(), ...facts }).violations).not.toEqual([])
  })

  it('allow what was put off to be sent at its very moment', () => {
    for (const facts of [putOff(700, 800.25, 800), putOff(new Date(900), 900, 900)]) {
      expect(findViolations({ ...good(), ...facts })).toMatchObject({ violations: [], putOff: 1 })
    }
  })

  it('hold each tip to its wait after the order', () => {
    const [tipped, other] = good().load.orders.map((order) => ({ ...order, tipped: order.id === 'order-0' }))
    const tip = { ...entry('order-0-tip'), effect: 'charge-tip', createdAtMs: 20, firstSentAtMs: 719 }
    const { load, ledger, calls, entries, settlements } = good()
    const facts = {
      ...good(),
      load: { ...load, orders: [tipped, other].filter((order) => order !== undefined) },
      ledger: Ledger.of([...ledger.all(), charge('order-0-tip')]),
      calls: [...calls, call('order-0-tip', 719, 730)],
      entries: [...entries, tip],
      settlements: [
        ...settlements,
        { effect: 'charge-tip', key: 'order-0-tip', outcome: 'succeeded', externalId: 'pi_order-0-tip', atMs: 0 },
      ],
    }
    expect(findViolations(facts).violations).toEqual([
      'charge-tip order-0-tip was sent 1.000 ms before its time, says the journal',
      'charge-tip order-0-tip was sent 1.000 ms before its time, says the gateway',
    ])
  })

  it('allow a late call of a worker that was stopped, and no other', () => {
    const stops = [{ client: 'worker-1-1', fromMs: 0, untilMs: 3_000 }]
    const late = call('order-0', 3_010, 3_030)
    const others = call('order-1', 3_000, 3_100, 'worker-2-1')
    expect(findViolations({ ...good(), stops, calls: [others, late] }).violations).toEqual([])
    for (const beside of [
      call('order-0', 3_010, 3_030, 'worker-1-10'),
      // Long after it was woken, what it sends is decided anew.
      call('order-0', 4_010, 4_030),
    ]) {
      const before = { ...others, receivedMs: beside.receivedMs - 10, finishedMs: beside.receivedMs + 10 }
      expect(findViolations({ ...good(), stops, calls: [before, beside] }).violations).toHaveLength(1)
    }
  })

  it('allow a call after the lease of one that still hangs', () => {
    expect(
      findViolations({ ...good(), calls: [call('order-0', 0, null), call('order-0', 2_500, 2_510)] }).violations,
    ).toEqual([])
  })
})
