import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { MemoryJournal } from '../journal/memory/index.js'
import { postgresJournal } from '../journal/postgres/index.js'
import {
  CompensationRefused,
  ConfigurationError,
  EffectCompacted,
  EffectCompensated,
  EffectRejected,
  entryId,
  type Journal,
  KeyReuseError,
  type Money,
  Rejected,
} from '../protocol/index.js'
import type { RetentionOptions } from '../retention/index.js'
import { type Clock, realClock } from '../system/index.js'
import { ageEntries, Counterfoil, defineEffect } from './index.js'

let database: TestDatabase
let pool: Pool
beforeAll(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** A wall clock that is moved on by hand; everything else is the machine's. */
class MovedClock implements Clock {
  #aheadMs = 0
  moveOn(ms: number): void {
    this.#aheadMs += ms
  }
  wallMs(): number {
    return realClock.wallMs() + this.#aheadMs
  }
  monotonicMs = realClock.monotonicMs
  sleep = realClock.sleep
  schedule = realClock.schedule
  nextTurn = realClock.nextTurn
}

const HOUR_MS = 3_600_000
const why = { reason: 'returned' }

/** A journal, and how to let an hour pass in it. */
interface Ground {
  readonly journal: Journal
  hourLater(): Promise<void>
}

let schemas = 0
const grounds: Record<string, () => Ground> = {
  'the memory journal': () => {
    const clock = new MovedClock()
    return {
      journal: new MemoryJournal({ clock }) as Journal,
      hourLater: async () => clock.moveOn(HOUR_MS),
    }
  },
  PostgreSQL: () => {
    schemas++
    const schema = `retention_${schemas}`
    return {
      journal: postgresJournal(pool, { schema, listen: false }) as Journal,
      hourLater: async () => {
        await pool.query(`UPDATE ${schema}.entries SET updated_at = updated_at - interval '1 hour'`)
      },
    }
  },
}

interface Order {
  readonly id: string
  readonly cents?: number
}

/** A shop, its service that counts what it does, and a retention of half an hour. */
function shopOn({ journal, hourLater }: Ground, retention: RetentionOptions = { compactAfter: '30m' }) {
  const charged: string[] = []
  const refunded: { readonly externalId: string; readonly minorUnits: number | null }[] = []
  const charge = defineEffect<Order, { readonly id: string }>({
    name: 'charge-order',
    key: (order) => order.id,
    group: () => 'checkout',
    provider: {
      execute: async (order, call) => {
        charged.push(order.id)
        if (order.cents === 0) throw new Rejected('declined', 'The card was declined.')
        // A service that keeps its keys for ever: the same reference is the same operation.
        return { id: `ch_${call.reference}` }
      },
      externalId: (receipt) => receipt.id,
      amount: (_receipt, order): Money => ({ minorUnits: order.cents ?? 100, currency: 'EUR' }),
      cancel: async ({ externalId, minorUnits, receipt }) => {
        if (receipt === null) throw new Error('It was asked to undo without a receipt.')
        refunded.push({ externalId, minorUnits })
        return { refund: refunded.length }
      },
      inDoubt: 'park',
    },
    settled: () => undefined,
    // So long are callers ready to wait for the handler, too: when all have been answered, nothing is under way.
    timeout: 60_000,
    leaseGrace: 1_000,
  })
  const counterfoil = new Counterfoil({ journal, effects: [charge], retention })
  const aged = async () => {
    await hourLater()
    return ageEntries(counterfoil)
  }
  const id = (key: string) => entryId('default', 'charge-order', key)
  return { journal, counterfoil, charge, charged, refunded, aged, id }
}

function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => Promise.reject(new Error(`It was expected to throw, and gave ${JSON.stringify(value)}.`)),
    (error: unknown) => error,
  )
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await errorOf(promise)
  expect(error).toBeInstanceOf(CompensationRefused)
  return (error as CompensationRefused).reason.code
}

describe.each(Object.entries(grounds))('on %s', (_name, ground) => {
  it('a duplicate of a compact success is told that it happened, and sends nothing', async () => {
    const { counterfoil, charge, charged, aged, id } = shopOn(ground())
    const { id: externalId } = await counterfoil.perform(charge, { id: 'o1' })
    expect(await aged()).toEqual({ compacted: 1, purged: 0 })
    const error = await errorOf(counterfoil.perform(charge, { id: 'o1' }))
    expect(error).toBeInstanceOf(EffectCompacted)
    expect(error).toMatchObject({ code: 'effect_compacted', externalId, identity: { id: id('o1'), key: 'o1' } })
    expect((error as Error).message).toContain(externalId)
    expect(await counterfoil.enqueue(charge, { id: 'o1' })).toMatchObject({ created: false })
    expect(await errorOf(counterfoil.perform(charge, { id: 'o1', cents: 7 }))).toBeInstanceOf(KeyReuseError)
    expect(await errorOf(counterfoil.enqueue(charge, { id: 'o1', cents: 7 }))).toBeInstanceOf(KeyReuseError)
    expect(charged).toEqual(['o1'])
  })

  it('a compact rejection stands as it did, and may be followed by another generation', async () => {
    const { counterfoil, charge, charged, aged } = shopOn(ground())
    const asked = () => counterfoil.perform(charge, { id: 'o1', cents: 0 })
    const before = (await errorOf(asked())) as EffectRejected
    expect(await aged()).toEqual({ compacted: 1, purged: 0 })
    const after = (await errorOf(asked())) as EffectRejected
    expect(after).toBeInstanceOf(EffectRejected)
    expect(after.message).toBe(before.message)
    expect(charged).toEqual(['o1'])
    await counterfoil.perform(charge, { id: 'o1', cents: 5 }, { generation: 2 })
    expect(charged).toEqual(['o1', 'o1'])
    // A late duplicate of the first generation is told how the key stands now.
    expect(await asked()).toMatchObject({ id: expect.stringMatching(/^ch_/) })
  })

  it('what was compensated is told as such after it has become compact, and asking again joins what stands', async () => {
    const { counterfoil, charge, refunded, aged } = shopOn(ground())
    await counterfoil.perform(charge, { id: 'o1' })
    const first = await counterfoil.compensate(charge, 'o1', why)
    expect(await aged()).toEqual({ compacted: 2, purged: 0 })
    const error = await errorOf(counterfoil.perform(charge, { id: 'o1' }))
    expect(error).toBeInstanceOf(EffectCompensated)
    expect(error).toMatchObject({ state: 'compensated', receipt: null })
    expect(await counterfoil.compensate(charge, 'o1', why)).toEqual({ ...first, receipt: null })
    expect(refunded).toHaveLength(1)
  })

  it('what is compact is not compensated, and the refusal says by which id it can be undone at the service', async () => {
    const { counterfoil, charge, refunded, aged, journal, id } = shopOn(ground())
    const { id: externalId } = await counterfoil.perform(charge, { id: 'o1' })
    await aged()
    const error = (await errorOf(counterfoil.compensate(charge, 'o1', why))) as CompensationRefused
    expect(error.reason.code).toBe('compacted')
    expect(error.message).toContain(externalId)
    const part = { ...why, amount: { minorUnits: 1, currency: 'EUR' }, refundKey: 'r' }
    expect(await reasonOf(counterfoil.compensate(charge, 'o1', part))).toBe('compacted')
    const group = await counterfoil.compensateGroup('checkout', why)
    expect(group).toMatchObject({ undone: [], notUndone: [{ reason: { code: 'compacted' } }], notHappened: [] })
    expect(refunded).toEqual([])
    expect((await journal.read([id('o1')]))[0]?.entry).toMatchObject({ state: 'succeeded', isCompact: true })
  })

  it('a refund of a part, and one of the rest, are joined by their keys after all of it has become compact', async () => {
    const { counterfoil, charge, refunded, aged } = shopOn(ground())
    await counterfoil.perform(charge, { id: 'o1' })
    const part = { ...why, amount: { minorUnits: 40, currency: 'EUR' }, refundKey: 'return-1' }
    const [first, rest] = [
      await counterfoil.compensate(charge, 'o1', part),
      await counterfoil.compensate(charge, 'o1', why),
    ]
    expect(await aged()).toEqual({ compacted: 3, purged: 0 })
    expect(await counterfoil.compensate(charge, 'o1', part)).toEqual({ ...first, receipt: null })
    expect(await counterfoil.compensate(charge, 'o1', why)).toEqual({ ...rest, receipt: null })
    const other = { ...part, refundKey: 'return-2' }
    expect(await reasonOf(counterfoil.compensate(charge, 'o1', other))).toBe('nothing_remains')
    expect(refunded.map((each) => each.minorUnits)).toEqual([40, 60])
  })

  it('a purged key is a new effect, and what was undone of the old one is not undone again under the same id', async () => {
    const { counterfoil, charge, charged, refunded, aged } = shopOn(ground(), { purgeAfter: '30m' })
    await counterfoil.perform(charge, { id: 'o1' })
    const first = await counterfoil.compensate(charge, 'o1', why)
    // The undoing outlives what it undid by one walk.
    expect(await aged()).toEqual({ compacted: 0, purged: 1 })
    expect(await reasonOf(counterfoil.compensate(charge, 'o1', why))).toBe('not_found')
    expect(await ageEntries(counterfoil)).toEqual({ compacted: 0, purged: 1 })
    await counterfoil.perform(charge, { id: 'o1' })
    expect(charged).toEqual(['o1', 'o1'])
    expect(await counterfoil.compensate(charge, 'o1', why)).toEqual({ ...first, receipt: null })
    expect(refunded).toHaveLength(1)
  })

  it.each<RetentionOptions>([{ compactAfter: '90m', purgeAfter: '150m' }, { purgeAfter: '90m' }])(
    'in whatever order it is made, refunded, and ages by %o, no refund is made twice',
    { timeout: 120_000 },
    async (retention) => {
      const { counterfoil, charge, refunded, aged } = shopOn(ground(), retention)
      const part = { ...why, amount: { minorUnits: 60, currency: 'EUR' }, refundKey: 'return-1' }
      const steps: Record<string, (id: string) => Promise<unknown>> = {
        perform: (id) => counterfoil.perform(charge, { id }),
        refund: (id) => counterfoil.compensate(charge, id, why),
        part: (id) => counterfoil.compensate(charge, id, part),
        nothing: () => Promise.resolve(),
      }
      // Each order with a key of its own, and an hour after each step: long enough to be purged, made anew, and refunded.
      const orders = sequences(Object.keys(steps), 5).map((each) => ['perform', ...each])
      for (let at = 0; at < 6; at++) {
        await Promise.allSettled(orders.map((order) => steps[order[at] ?? '']?.(order.join(', '))))
        await aged()
      }
      const given = new Map<string, number>()
      for (const { externalId, minorUnits } of refunded) {
        given.set(externalId, (given.get(externalId) ?? 0) + (minorUnits ?? 100))
      }
      expect(given.size).toBeGreaterThan(500)
      expect([...given].filter(([, minorUnits]) => minorUnits > 100)).toEqual([])
    },
  )

  it('callers who come while a walk lets everything become compact make no second call', async () => {
    const at = ground()
    const { counterfoil, charge, charged, journal } = shopOn(at, { compactAfter: 1 })
    const keys = Array.from({ length: 150 }, (_, i) => `o${i}`)
    await Promise.all(keys.map((id) => counterfoil.perform(charge, { id })))
    const others = [1, 2].map(() => new Counterfoil({ journal, effects: [charge] }))
    await at.hourLater()
    const asked = [...others, counterfoil].flatMap((each) => keys.map((id) => each.perform(charge, { id })))
    const [, ...answers] = await Promise.allSettled([ageEntries(counterfoil), ...asked])
    const wrong = answers.filter((each) => each.status === 'rejected' && !(each.reason instanceof EffectCompacted))
    expect(wrong).toEqual([])
    expect(charged).toHaveLength(keys.length)
  })
})

describe('the retention of a Counterfoil', () => {
  const counterfoilWith = (retention: RetentionOptions) =>
    shopOn(grounds['the memory journal']?.() as Ground, retention)

  it('is never, unless something else is asked for', async () => {
    const { counterfoil } = counterfoilWith({})
    const error = await errorOf(ageEntries(counterfoil))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect((error as Error).message).toContain('has no `retention`')
  })

  it.each<[RetentionOptions, RegExp]>([
    [{ compactAfter: 0 }, /retention\.compactAfter is 0/],
    [{ purgeAfter: '0s' }, /retention\.purgeAfter is 0s/],
    [{ compactAfter: '36501d' }, /100 years at most/],
    [{ purgeAfter: Number.POSITIVE_INFINITY }, /retention\.purgeAfter is Infinity/],
    [{ compactAfter: '30d', purgeAfter: '29d' }, /purgeAfter \(29d\) is shorter than retention\.compactAfter \(30d\)/],
  ])('refuses %o', (retention, message) => {
    expect(() => counterfoilWith(retention)).toThrow(ConfigurationError)
    expect(() => counterfoilWith(retention)).toThrow(message)
  })

  it('stops a walk between two steps, when told to', async () => {
    const { counterfoil, charge, aged, charged } = counterfoilWith({ purgeAfter: '1s' })
    await counterfoil.perform(charge, { id: 'o1' })
    const stopped = ageEntries(counterfoil, { signal: AbortSignal.abort() })
    expect(await stopped).toEqual({ compacted: 0, purged: 0 })
    expect(await aged()).toEqual({ compacted: 0, purged: 1 })
    expect(charged).toEqual(['o1'])
  })
})

/** Every sequence of `length` of these. */
function sequences(of: readonly string[], length: number): string[][] {
  if (length === 0) return [[]]
  return sequences(of, length - 1).flatMap((each) => of.map((one) => [...each, one]))
}
