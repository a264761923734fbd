import { describe, expect, it } from 'vitest'
import { MemoryJournal, type MemoryTransaction } from '../journal/memory/index.js'
import { KeyReuseError, NotExecuted } from '../protocol/index.js'
import { type Clock, realClock } from '../system/index.js'
import { Counterfoil, defineEffect } from './index.js'

interface Order {
  readonly id: string
  readonly customer: string
  readonly cents?: number
}

function setUp(execute: (order: Order) => Promise<void> = async () => undefined) {
  const journal = new MemoryJournal({ clock: realClock })
  const made: string[] = []
  let waiting: { count: number; resolve: () => void } | null = null
  const effect = defineEffect({
    name: 'charge',
    key: (order: Order) => order.id,
    serializeBy: (order) => order.customer,
    provider: {
      execute: async (order) => {
        await execute(order)
        made.push(order.id)
        if (waiting !== null && made.length >= waiting.count) waiting.resolve()
        return { id: `ch_${order.id}` }
      },
      inDoubt: 'park',
    },
    retryDelay: { first: 5, longest: 10 },
  })
  const open = (options: { clock?: Clock } = {}): Counterfoil<MemoryTransaction> =>
    new Counterfoil({ journal, effects: [effect], pollInterval: 10, ...options })
  const untilMade = (count: number) =>
    new Promise<void>((resolve) => {
      if (made.length >= count) resolve()
      else waiting = { count, resolve }
    })
  return { journal, effect, open, made, untilMade }
}

describe('enqueue', () => {
  it('is part of the caller’s transaction: a rollback leaves nothing, a commit is always dispatched', async () => {
    const { journal, effect, open, made, untilMade } = setUp()
    const counterfoil = open()
    const failing = journal.transaction(async (tx) => {
      await counterfoil.enqueue(effect, { id: 'rolled-back', customer: 'a' }, { tx })
      throw new Error('the user’s own write failed')
    })
    await expect(failing).rejects.toThrow('own write failed')
    const enqueued = await journal.transaction((tx) =>
      counterfoil.enqueue(effect, { id: 'kept', customer: 'a' }, { tx }),
    )
    expect(enqueued.created).toBe(true)
    await counterfoil.start()
    await untilMade(1)
    await counterfoil.stop()
    expect(made).toEqual(['kept'])
  })

  it('adds nothing for a known key with the same input, and refuses another input (P7)', async () => {
    const { effect, open } = setUp()
    const counterfoil = open()
    const order = { id: 'order-1', customer: 'a', cents: 1 }
    const first = await counterfoil.enqueue(effect, order)
    const second = await counterfoil.enqueue(effect, order)
    expect(second).toEqual({ ...first, created: false })
    await expect(counterfoil.enqueue(effect, { ...order, cents: 2 })).rejects.toBeInstanceOf(KeyReuseError)
    await expect(counterfoil.perform(effect, order)).resolves.toEqual({ id: 'ch_order-1' })
  })

  it('says of many without a transaction that the others were accepted, and asking again for those adds nothing', async () => {
    const { journal, effect, open } = setUp()
    const counterfoil = open()
    const [one, two] = [
      { id: 'order-1', customer: 'a', cents: 1 },
      { id: 'order-2', customer: 'a', cents: 1 },
    ]
    const reused = { ...one, cents: 2 }
    await counterfoil.enqueue(effect, one)
    await expect(counterfoil.enqueueMany(effect, [two, reused])).rejects.toMatchObject({
      code: 'key_reuse',
      identity: { key: 'order-1' },
      message: expect.stringContaining('The other inputs of this call were accepted'),
    })
    expect(await counterfoil.enqueueMany(effect, [one, two])).toMatchObject([{ created: false }, { created: false }])
    const inTransaction = journal.transaction((tx) =>
      counterfoil.enqueueMany(effect, [{ id: 'order-3', customer: 'a' }, reused], { tx }),
    )
    await expect(inTransaction).rejects.not.toMatchObject({ message: expect.stringContaining('were accepted') })
    expect(await counterfoil.enqueue(effect, { id: 'order-3', customer: 'a' })).toMatchObject({ created: true })
  })

  it('waits until its time has come', async () => {
    const { effect, open, made, untilMade } = setUp()
    const counterfoil = open()
    const startedMs = realClock.monotonicMs()
    await counterfoil.enqueue(effect, { id: 'later', customer: 'a' }, { notBefore: 150 })
    await counterfoil.enqueue(effect, { id: 'now', customer: 'b' })
    await counterfoil.start()
    await untilMade(2)
    await counterfoil.stop()
    expect(made).toEqual(['now', 'later'])
    expect(realClock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(150)
  })
})

describe('notBefore', () => {
  it('goes by the clock of the journal, whatever the clock of the process shows (P3)', async () => {
    const { journal, effect, open } = setUp()
    const moment = new Date(realClock.wallMs() + 3_600_000)
    for (const skewMs of [-86_400_000, 0, 86_400_000]) {
      const counterfoil = open({ clock: { ...realClock, wallMs: () => realClock.wallMs() + skewMs } })
      await counterfoil.enqueue(effect, { id: `in ${skewMs}`, customer: 'a' }, { notBefore: '1h' })
      await counterfoil.enqueue(effect, { id: `at ${skewMs}`, customer: 'a' }, { notBefore: moment })
    }
    for (const { key, dueAtMs, createdAtMs } of journal.entries()) {
      expect(dueAtMs).toBe(key.startsWith('in') ? createdAtMs + 3_600_000 : moment.getTime())
    }
  })

  it('must be a moment or a duration: otherwise nothing is written', async () => {
    const { journal, effect, open } = setUp()
    const order = { id: 'order-1', customer: 'a' }
    for (const notBefore of [new Date('no date'), -1]) {
      const enqueued = open().enqueue(effect, order, { notBefore })
      await expect(enqueued).rejects.toMatchObject({ code: 'configuration' })
    }
    expect(journal.entries()).toEqual([])
  })
})

describe('serializeBy', () => {
  it('keeps effects of one key one at a time and in the order of their enqueueing, across engines, while other keys run beside', async () => {
    const running = new Map<string, number>()
    let overlapping = 0
    let most = 0
    const refusals = new Set(['a-1'])
    const { effect, open, made, untilMade } = setUp(async ({ id, customer }) => {
      const now = (running.get(customer) ?? 0) + 1
      running.set(customer, now)
      if (now > 1) overlapping++
      most = Math.max(
        most,
        [...running.values()].reduce((sum, each) => sum + each, 0),
      )
      await realClock.sleep(5)
      running.set(customer, now - 1)
      // A refused first try keeps its place: those behind it go on waiting.
      if (refusals.delete(id)) throw new NotExecuted('ECONNREFUSED', 'connect ECONNREFUSED')
    })
    const engines = [open(), open(), open()]
    const orders = ['a', 'b', 'c'].flatMap((customer) =>
      Array.from({ length: 8 }, (_, i) => ({ id: `${customer}-${i}`, customer })),
    )
    await engines[0]?.enqueueMany(effect, orders)
    for (const engine of engines) await engine.start()
    await untilMade(orders.length)
    for (const engine of engines) await engine.stop()
    expect(overlapping).toBe(0)
    expect(most).toBeGreaterThan(1)
    for (const customer of ['a', 'b', 'c']) {
      expect(made.filter((id) => id.startsWith(customer))).toEqual(
        orders.map(({ id }) => id).filter((id) => id.startsWith(customer)),
      )
    }
  })

  it('makes perform wait for its turn, too', async () => {
    const { effect, open, made } = setUp()
    const counterfoil = open()
    await counterfoil.enqueue(effect, { id: 'first', customer: 'a' })
    const second = counterfoil.perform(effect, { id: 'second', customer: 'a' })
    await counterfoil.start()
    await expect(second).resolves.toEqual({ id: 'ch_second' })
    await counterfoil.stop()
    expect(made).toEqual(['first', 'second'])
  })
})
