import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { ConfigurationError, type Entry } from '../protocol/index.js'
import { type Clock, realClock } from '../system/index.js'
import { Counterfoil, type CounterfoilOptions, defineEffect } from './index.js'

interface Order {
  readonly id: string
}

/** Processes of two versions of one program, of which the one knows a `settled` handler and the other does not. */
function setUp() {
  const journal = new MemoryJournal({ clock: realClock })
  const settled: string[] = []
  const definition = {
    name: 'charge',
    key: (order: Order) => order.id,
    provider: { execute: async ({ id }: Order) => ({ id: `ch_${id}` }), inDoubt: 'park' as const },
  }
  const without = defineEffect(definition)
  const having = defineEffect({
    ...definition,
    settled: (_tx: unknown, order: Order) => {
      settled.push(order.id)
    },
  })
  const open = (effect: typeof without | typeof having, options: Partial<CounterfoilOptions<unknown>> = {}) => {
    const counterfoil = new Counterfoil<unknown>({ journal, effects: [effect], pollInterval: 10, ...options })
    onTestFinished(() => counterfoil.stop())
    return counterfoil
  }
  const until = (isTrue: (entry: Entry) => boolean) =>
    vi.waitUntil(() => journal.entries().length > 0 && journal.entries().every(isTrue), {
      timeout: 10_000,
      interval: 5,
    })
  /** An outcome's handler is due some seconds after it for others than its worker; so many need not pass here. */
  const dueAtOnce = async (): Promise<void> => {
    for (const { id } of journal.entries()) await journal.settlementFailed(id, 0)
  }
  return { journal, settled, without, having, open, until, dueAtOnce }
}

describe('a deployment that brings or takes away a settled handler', () => {
  it('loses no consequence: a process without the handler leaves it due for one that has it (P8)', async () => {
    const { journal, settled, without, having, open, until, dueAtOnce } = setUp()
    await open(having).enqueue(having, { id: 'order-1' })
    const old = open(without)
    await old.start()
    await until(({ state }) => state === 'succeeded')
    await old.stop()
    expect(journal.entries()[0]).toMatchObject({ settlement: 'due', settlementAttempts: 0 })
    await dueAtOnce()
    await open(having).start()
    await until(({ settlement }) => settlement === 'done')
    expect(settled).toEqual(['order-1'])
  })

  it('loses none where a caller of perform carries it, nor where its worker was lost', async () => {
    const { journal, settled, without, having, open, until, dueAtOnce } = setUp()
    await open(having).enqueue(having, { id: 'order-1' })
    const old = open(without)
    expect(await old.perform(without, { id: 'order-1' })).toEqual({ id: 'ch_order-1' })
    await dueAtOnce()
    const looked = vi.spyOn(journal, 'nextDueInMs')
    await old.start()
    await vi.waitUntil(() => looked.mock.calls.length > 2)
    await old.stop()
    expect(journal.entries()[0]?.settlement).toBe('due')
    await open(having).start()
    await until(({ settlement }) => settlement === 'done')
    expect(settled).toEqual(['order-1'])
  })

  it('makes no loop spin, and is told about where a handler stays due that nobody here has', async () => {
    const { journal, without, having, open, dueAtOnce } = setUp()
    let minute: () => void = () => undefined
    const clock: Clock = {
      ...realClock,
      sleep: (delayMs, signal) =>
        delayMs < 30_000
          ? realClock.sleep(delayMs, signal)
          : new Promise((resolve) => {
              const before = minute
              minute = () => {
                before()
                resolve()
              }
              signal?.addEventListener('abort', () => resolve(), { once: true })
            }),
    }
    const errors: unknown[] = []
    await open(having).perform(having, { id: 'other' })
    await open(having).enqueue(having, { id: 'order-1' })
    await open(without).perform(without, { id: 'order-1' })
    await dueAtOnce()
    const looks = vi.spyOn(journal, 'claimDue')
    const watched = vi.spyOn(journal, 'dueSettlements')
    const process = open(without, { clock, pollInterval: '1s', hooks: { onError: (error) => errors.push(error) } })
    await process.start()
    await realClock.sleep(400)
    expect(looks.mock.calls.length).toBeLessThan(20)
    expect(watched).not.toHaveBeenCalled()
    for (const told of [0, 1, 2]) {
      minute()
      await vi.waitUntil(() => watched.mock.calls.length === told + 1 && errors.length === told)
    }
    expect(errors[0]).toBeInstanceOf(ConfigurationError)
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('charge "order-1" waits for a `settled` handler'),
    })
  })

  it('owes none to what was begun without a handler, whoever carries it', async () => {
    const { journal, settled, without, having, open, until } = setUp()
    await open(without).enqueue(without, { id: 'order-1' })
    const next = open(having)
    await next.start()
    await until(({ state }) => state === 'succeeded')
    await next.stop()
    expect(journal.entries()[0]?.settlement).toBe('none')
    expect(settled).toEqual([])
  })
})
