import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { MemoryJournal } from '../journal/memory/index.js'
import { postgresJournal } from '../journal/postgres/index.js'
import {
  type CompensationRefused,
  ConfigurationError,
  EffectCompensated,
  EffectInDoubt,
  entryId,
  type Journal,
  KeyReuseError,
  type Provider,
  Rejected,
} from '../protocol/index.js'
import { type PaymentIntentReceipt, stripePaymentIntents } from '../providers/stripe/index.js'
import { errorOf, type Order, order, stripeFor, toParams } from '../providers/stripe/stripe.fixture.js'
import { realClock } from '../system/index.js'
import { type Gateway, startGateway } from '../testing/gateway/index.js'
import { Counterfoil, defineEffect } from './index.js'

let gateway: Gateway
let database: TestDatabase
let pool: Pool
const running: { stop(): Promise<void> }[] = []
beforeAll(async () => {
  gateway = await startGateway()
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
})
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop()
  gateway.reset()
  gateway.configure({ level: 'keys' })
})
afterAll(async () => {
  await gateway.close()
  await pool.end()
  await database.drop()
})

const REFUND = { route: 'refunds.create' }
const why = { reason: 'requested_by_customer' }

let schemas = 0
const journals: Record<string, () => Journal> = {
  'the memory journal': () => new MemoryJournal({ clock: realClock }) as Journal,
  PostgreSQL: () => {
    schemas++
    return postgresJournal(pool, { schema: `compensate_${schemas}` }) as Journal
  },
}

function stripe(facts = {}): Provider<Order, PaymentIntentReceipt> {
  return stripePaymentIntents(stripeFor(gateway), toParams, { facts: { settlesWithin: 100, ...facts } })
}

interface Shop {
  readonly counterfoil: Counterfoil
  readonly charge: ReturnType<typeof chargeBy>
  readonly told: string[]
  readonly journal: Journal
}

function chargeBy(provider: Provider<Order, PaymentIntentReceipt>, told: string[]) {
  return defineEffect<Order, PaymentIntentReceipt>({
    name: 'charge-order',
    key: (o) => o.id,
    group: (o) => `checkout of ${o.id.split('/')[0]}`,
    provider,
    settled: (_tx, o, outcome) => {
      told.push(`${o.id} ${outcome.kind}`)
    },
    timeout: 1_000,
    leaseGrace: 1_000,
    retryDelay: { first: 10, longest: 50 },
    maxAttempts: 5,
  })
}

function shopOn(journal: Journal, provider = stripe()): Shop {
  const told: string[] = []
  const charge = chargeBy(provider, told)
  const counterfoil = new Counterfoil({ journal, effects: [charge], pollInterval: 20 })
  running.push({
    stop: async () => {
      await counterfoil.stop()
      await journal.close()
    },
  })
  return { counterfoil, charge, told, journal }
}

/** Performs `o1` and stops waiting as soon as its request has reached that stage at the gateway. */
async function leaveAfter(stage: 'received' | 'executed', { counterfoil, charge }: Shop): Promise<unknown> {
  const leave = new AbortController()
  const performing = counterfoil.perform(charge, order('o1'), { signal: leave.signal })
  performing.catch(() => undefined)
  await gateway.requests.until(stage, { route: 'payment_intents.create' })
  leave.abort()
  return performing
}

async function stateOf({ journal }: Shop, key: string, effect = 'charge-order') {
  const [seen] = await journal.read([entryId('default', effect, key)])
  return seen?.entry ?? null
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = (await errorOf(promise)) as CompensationRefused
  expect(error.code).toBe('compensation_refused')
  return error.reason.code
}

describe.each(Object.entries(journals))('on %s', (_name, journal) => {
  it('an executed effect is refunded once, however often and by however many it is asked', async () => {
    const shop = shopOn(journal())
    const receipt = await shop.counterfoil.perform(shop.charge, order('o1'))
    const asked = Array.from({ length: 8 }, () => shop.counterfoil.compensate(shop.charge, 'o1', why))
    const answers = await Promise.all(asked)
    answers.push(await shop.counterfoil.compensate(shop.charge, 'o1', { reason: 'asked again' }))
    expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(answers[0]).toMatchObject({ externalId: receipt.id, minorUnits: null, receipt: { object: 'refund' } })
    expect(gateway.requests.count(REFUND)).toBe(1)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'refunded' }])
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'compensated', externalId: receipt.id })
    expect(shop.told).toEqual(['o1 succeeded'])
  })

  it('a duplicate of a compensated effect gets an error of its own and sends nothing', async () => {
    const shop = shopOn(journal())
    const receipt = await shop.counterfoil.perform(shop.charge, order('o1'))
    await shop.counterfoil.compensate(shop.charge, 'o1', why)
    const error = await errorOf(shop.counterfoil.perform(shop.charge, order('o1')))
    expect(error).toBeInstanceOf(EffectCompensated)
    expect(error).toMatchObject({ code: 'effect_compensated', state: 'compensated', receipt: { id: receipt.id } })
    expect(gateway.ledger.charges('o1')).toHaveLength(1)
  })

  it('a lost response to a refund is resolved, and the refund made once', async () => {
    gateway.setFaults([{ fault: { kind: 'lose_response_after_commit' }, ...REFUND, times: 1 }])
    const shop = shopOn(journal())
    await shop.counterfoil.perform(shop.charge, order('o1'))
    await shop.counterfoil.compensate(shop.charge, 'o1', why)
    expect(gateway.ledger.charges('o1')[0]?.movements.filter((each) => each.kind === 'refund')).toHaveLength(1)
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'compensated' })
  })

  it('a refund whose stored answer hides it is found by our reference', async () => {
    gateway.setFaults([{ fault: { kind: '500_after_commit' }, ...REFUND, times: 1 }])
    const shop = shopOn(journal())
    await shop.counterfoil.perform(shop.charge, order('o1'))
    await shop.counterfoil.compensate(shop.charge, 'o1', why)
    expect(gateway.requests.count(REFUND)).toBe(1)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'refunded' }])
  })

  it('parts are refunded once each, and never more than remains', async () => {
    const shop = shopOn(journal())
    await shop.counterfoil.perform(shop.charge, order('o1'))
    const part = (minorUnits: number, refundKey: string) =>
      shop.counterfoil.compensate(shop.charge, 'o1', { ...why, amount: { minorUnits, currency: 'EUR' }, refundKey })
    await part(500, 'return-1')
    await part(500, 'return-1')
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'succeeded', reason: null })
    const reused = await errorOf(part(400, 'return-1'))
    expect(reused).toBeInstanceOf(KeyReuseError)
    expect(String(reused)).toContain(
      'charge-order "o1": the refundKey "return-1" stands for another amount, 500 minor units; now 400 minor units was asked',
    )
    expect(reused).toMatchObject({ identity: { key: expect.stringMatching(/^pi_\S+ return-1$/) } })
    expect(await reasonOf(part(701, 'return-2'))).toBe('exceeds_remaining')
    const both = await Promise.allSettled([part(600, 'return-3'), part(600, 'return-4')])
    expect(both.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ amountRefunded: 1_100, state: 'live' }])
    await shop.counterfoil.compensate(shop.charge, 'o1', why)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ amountRefunded: 1_200, state: 'refunded' }])
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'compensated' })
    expect(await reasonOf(part(1, 'return-5'))).toBe('nothing_remains')
  })

  it('where the service refuses to undo it, it is succeeded again and keeps why', async () => {
    const provider = stripe()
    const stubborn: Provider<Order, PaymentIntentReceipt> = {
      ...provider,
      cancel: async () => {
        throw new Rejected('too_late', 'It was settled a year ago.')
      },
    }
    const shop = shopOn(journal(), stubborn)
    const receipt = await shop.counterfoil.perform(shop.charge, order('o1'))
    expect(await reasonOf(shop.counterfoil.compensate(shop.charge, 'o1', why))).toBe('too_late')
    expect(await stateOf(shop, 'o1')).toMatchObject({
      state: 'succeeded',
      reason: { code: 'compensation_rejected', detail: { code: 'too_late' } },
    })
    expect(await shop.counterfoil.perform(shop.charge, order('o1'))).toEqual(receipt)
    // The rejection stands (P6); another try is another refund.
    expect(await reasonOf(shop.counterfoil.compensate(shop.charge, 'o1', why))).toBe('too_late')
    const second = shop.counterfoil.compensate(shop.charge, 'o1', { ...why, refundKey: 'second try' })
    expect(await reasonOf(second)).toBe('too_late')
  })

  it('an effect in doubt is looked up and then undone, and not executed again for it', async () => {
    gateway.configure({ level: 'lookup' })
    const shop = shopOn(journal(), stripe({ idempotencyKey: null }))
    gateway.setFaults([{ fault: { kind: 'lose_response_after_commit' }, route: 'payment_intents.create', times: 1 }])
    expect(await errorOf(leaveAfter('executed', shop))).toBeInstanceOf(EffectInDoubt)
    await shop.counterfoil.compensate(shop.charge, 'o1', why)
    expect(gateway.requests.count({ route: 'payment_intents.create' })).toBe(1)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'refunded' }])
  })

  it('an effect in doubt that did not happen is called off: it never happens', async () => {
    gateway.configure({ level: 'lookup' })
    const shop = shopOn(journal(), stripe({ idempotencyKey: null }))
    gateway.setFaults([{ fault: { kind: 'hang' }, route: 'payment_intents.create', times: 1 }])
    expect(await errorOf(leaveAfter('received', shop))).toBeInstanceOf(EffectInDoubt)
    expect(await reasonOf(shop.counterfoil.compensate(shop.charge, 'o1', { reason: 'changed my mind' }))).toBe(
      'did_not_happen',
    )
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'failed', reason: { code: 'called_off' } })
    await shop.counterfoil.start()
    expect(await errorOf(shop.counterfoil.perform(shop.charge, order('o1')))).toMatchObject({ code: 'effect_rejected' })
    expect(gateway.ledger.charges('o1')).toEqual([])
    expect(shop.told).toEqual(['o1 failed'])
  })

  it('what was only enqueued is called off', async () => {
    const shop = shopOn(journal())
    await shop.counterfoil.enqueue(shop.charge, order('o1'), { notBefore: '1h' })
    expect(await reasonOf(shop.counterfoil.compensate(shop.charge, 'o1', why))).toBe('did_not_happen')
    expect(await stateOf(shop, 'o1')).toMatchObject({ state: 'failed', reason: { code: 'called_off' } })
    expect(await reasonOf(shop.counterfoil.compensate(shop.charge, 'unheard of', why))).toBe('not_found')
  })

  it('a doubt that nobody can end stays one, and nothing is refunded on a guess', async () => {
    const silent: Provider<Order, PaymentIntentReceipt> = {
      execute: stripe().execute,
      cancel: async () => ({ id: 're_1' }),
      inDoubt: 'park',
    }
    const shop = shopOn(journal(), silent)
    gateway.setFaults([{ fault: { kind: 'lose_response_after_commit' }, route: 'payment_intents.create', times: 1 }])
    await errorOf(shop.counterfoil.perform(shop.charge, order('o1')))
    const error = await errorOf(shop.counterfoil.compensate(shop.charge, 'o1', why))
    expect(error).toMatchObject({ code: 'effect_in_doubt', state: 'parked' })
    expect(await stateOf(shop, 'o1', 'charge-order/undo')).toBeNull()
  })

  it('a worker finishes the undoing that its asker did not live to see', async () => {
    const standing = journal()
    const first = shopOn(standing)
    await first.counterfoil.perform(first.charge, order('o1'))
    gateway.setFaults([{ fault: { kind: 'refuse_connection' }, ...REFUND, times: 1 }])
    const left = await errorOf(first.counterfoil.compensate(first.charge, 'o1', { ...why, wait: 0 }))
    expect(left).toMatchObject({ code: 'effect_in_doubt' })
    const second = shopOn(standing)
    await second.counterfoil.start()
    await second.counterfoil.compensate(second.charge, 'o1', why)
    expect(gateway.ledger.charges('o1')).toMatchObject([{ state: 'refunded' }])
  })

  it('a group is undone in reverse order, and each of it is told: undone, not undone, not happened', async () => {
    const shop = shopOn(journal())
    for (const id of ['g/1', 'g/2', 'g/3']) await shop.counterfoil.perform(shop.charge, order(id))
    await errorOf(shop.counterfoil.perform(shop.charge, order('g/4', { card: 'pm_card_chargeDeclined' })))
    await shop.counterfoil.perform(shop.charge, order('other/1'))
    const second = gateway.ledger.charges('g/2')[0]?.paymentIntent ?? ''
    const result = await shop.counterfoil.compensateGroup('checkout of g', { reason: 'the order was cancelled' })
    expect(result.undone.map((each) => each.effect.key)).toEqual(['g/3', 'g/2', 'g/1'])
    expect(result.undone[1]?.compensated.externalId).toBe(second)
    expect(result.notUndone).toEqual([])
    expect(result.notHappened.map((each) => each.effect.key)).toEqual(['g/4'])
    expect(gateway.ledger.liveCharges('other/1')).toHaveLength(1)
    expect(gateway.ledger.totals()).toMatchObject({ refunded: 3, live: 1 })
    const again = await shop.counterfoil.compensateGroup('checkout of g', { reason: 'again' })
    expect(again.undone).toEqual(result.undone)
    expect(gateway.requests.count(REFUND)).toBe(3)
  })
})

describe('before anything is written or sent', () => {
  it('options that make no sense are refused', async () => {
    const shop = shopOn(new MemoryJournal({ clock: realClock }) as Journal)
    await shop.counterfoil.perform(shop.charge, order('o1'))
    const ask = (options: object) => errorOf(shop.counterfoil.compensate(shop.charge, 'o1', { ...why, ...options }))
    expect(await ask({ reason: '' })).toBeInstanceOf(ConfigurationError)
    expect(await ask({ amount: { minorUnits: 1, currency: 'eur' } })).toMatchObject({ code: 'configuration' })
    for (const minorUnits of [1.5, Number.NaN, -1, 2 ** 53]) {
      expect(await ask({ amount: { minorUnits, currency: 'eur' }, refundKey: 'r' })).toBeInstanceOf(ConfigurationError)
    }
    expect(await ask({ amount: { minorUnits: 1, currency: '' }, refundKey: 'r' })).toBeInstanceOf(ConfigurationError)
    expect(gateway.requests.count(REFUND)).toBe(0)
  })

  it('the names of undoings are reserved', () => {
    const provider: Provider<Order, unknown> = { execute: async () => ({}), inDoubt: 'park' }
    expect(() => defineEffect({ name: 'charge/undo', key: (o: Order) => o.id, provider })).toThrow(/reserved/)
  })
})
