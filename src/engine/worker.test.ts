import { describe, expect, it, vi } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { type Event, entryId, type Intent, type Provider, reference, transition } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, defineEffect, type EffectDefinition } from './index.js'

interface Order {
  readonly id: string
}
interface Receipt {
  readonly id: string
}

const EXECUTED: Event = {
  type: 'attempt_ended',
  outcome: { kind: 'executed', receipt: { id: 'any' }, externalId: 'any' },
  callOver: true,
  uncounted: false,
  retryInMs: 0,
  maxAttempts: 1,
}

/** What a lost worker leaves behind: an entry whose lease runs out. */
async function lostWorker(journal: MemoryJournal, key: string, leaseMs: number): Promise<Intent> {
  const intent: Intent = {
    id: entryId('default', 'charge', key),
    namespace: 'default',
    effect: 'charge',
    key,
    generation: 1,
    reference: reference('default', 'charge', key, 1),
    input: { id: key },
    fingerprint: 'any',
    serializeKey: null,
    group: null,
    hasSettledHandler: true,
  }
  await journal.begin([{ intent, terms: { owner: 'lost', leaseMs, timeoutMs: leaseMs } }])
  return intent
}

/** Outcomes that are written, and their worker was gone before it ran a handler: they are due now. */
async function lostHandlers(journal: MemoryJournal, count: number): Promise<void> {
  const intents = await Promise.all(Array.from({ length: count }, (_, i) => lostWorker(journal, `lost-${i}`, 60_000)))
  const held = await journal.read(intents.map(({ id }) => id))
  await journal.write(
    held.flatMap((seen) => {
      if (seen === null) return []
      const { id, fence } = seen.entry
      return [{ id, fence, owner: 'lost', change: transition(seen.entry, EXECUTED) }]
    }),
  )
  for (const { id } of intents) await journal.settlementFailed(id, 0)
}

function setUp(
  provider: Provider<Order, Receipt>,
  overrides: Partial<EffectDefinition<Order, Receipt, unknown, Order>> = {},
) {
  const journal = new MemoryJournal({ clock: realClock })
  const settled = deferred<string>()
  const parked = deferred<string>()
  const effect = defineEffect<Order, Receipt, unknown>({
    name: 'charge',
    key: (order) => order.id,
    provider,
    timeout: '1s',
    retryDelay: { first: 5, longest: 20 },
    settled: (_tx, _order, outcome) => settled.resolve(outcome.kind),
    ...overrides,
  })
  const counterfoil = new Counterfoil({
    journal,
    effects: [effect],
    pollInterval: 20,
    hooks: { onParked: (_identity, reason) => parked.resolve(reason?.code ?? '') },
  })
  return { journal, effect, counterfoil, settled: settled.promise, parked: parked.promise }
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}

describe('the worker loop', () => {
  it('ends the doubt about a lost worker by the key, and runs the settled handler', async () => {
    let calls = 0
    const { journal, counterfoil, settled } = setUp({
      execute: async () => ({ id: `ch_${++calls}` }),
      idempotencyKey: { window: '24h' },
    })
    const intent = await lostWorker(journal, 'order-1', 30)
    await counterfoil.start()
    expect(await settled).toBe('succeeded')
    await counterfoil.stop()
    const [seen] = await journal.read([intent.id])
    expect(seen?.entry).toMatchObject({ state: 'succeeded', externalId: 'ch_1', settlement: 'done', owner: null })
  })

  it('finds what a lost worker has done, and does not call again', async () => {
    let calls = 0
    const { journal, counterfoil, settled } = setUp({
      execute: async () => ({ id: `ch_${++calls}` }),
      find: async () => ({ id: 'ch_of_the_lost_worker' }),
      settlesWithin: '1h',
    })
    const intent = await lostWorker(journal, 'order-1', 30)
    await counterfoil.start()
    expect(await settled).toBe('succeeded')
    await counterfoil.stop()
    const [seen] = await journal.read([intent.id])
    expect(seen?.entry).toMatchObject({ state: 'succeeded', externalId: 'ch_of_the_lost_worker' })
    expect(calls).toBe(0)
  })

  it('never re-sends a key that may have expired: it parks (P4)', async () => {
    let calls = 0
    const { journal, counterfoil, parked } = setUp(
      { execute: async () => ({ id: `ch_${++calls}` }), idempotencyKey: { window: 1_100, margin: 50 } },
      { timeout: 1_000 },
    )
    await lostWorker(journal, 'order-1', 100)
    await counterfoil.start()
    expect(await parked).toBe('key_expired')
    await counterfoil.stop()
    expect(calls).toBe(0)
  })

  it('leaves entries of effects that it does not know to processes that do', async () => {
    const { journal, counterfoil } = setUp({ execute: async () => ({ id: 'x' }), inDoubt: 'park' })
    const intent = await lostWorker(journal, 'order-1', 1)
    const stranger = new Counterfoil({ journal, effects: [], pollInterval: 5 })
    await stranger.start()
    await realClock.sleep(30)
    await stranger.stop()
    expect((await journal.read([intent.id]))[0]?.entry.state).toBe('executing')
    await counterfoil.stop()
  })

  it('tries a failing settled handler again until it succeeds, in its own transaction (P8)', async () => {
    let runs = 0
    const done = deferred<void>()
    const { journal, counterfoil, effect } = setUp(
      { execute: async () => ({ id: 'ch_1' }), inDoubt: 'park' },
      {
        settled: () => {
          if (++runs < 3) throw new Error('deadlock detected')
          done.resolve()
        },
      },
    )
    await counterfoil.start()
    await counterfoil.perform(effect, { id: 'order-1' })
    await done.promise
    await counterfoil.stop()
    expect(runs).toBe(3)
    const [seen] = await journal.read([entryId('default', 'charge', 'order-1')])
    expect(seen?.entry).toMatchObject({ state: 'succeeded', settlement: 'done' })
  })

  it('lets calls under way end when it stops, and leaves nothing in doubt', async () => {
    const started = deferred<void>()
    const { journal, counterfoil, effect } = setUp({
      execute: async () => {
        started.resolve()
        await realClock.sleep(100)
        return { id: 'ch_1' }
      },
      inDoubt: 'park',
    })
    await counterfoil.start()
    const receipt = counterfoil.perform(effect, { id: 'order-1' })
    await started.promise
    await counterfoil.stop()
    expect((await journal.read([entryId('default', 'charge', 'order-1')]))[0]?.entry.state).toBe('succeeded')
    expect(await receipt).toEqual({ id: 'ch_1' })
  })

  it('makes other effects while handlers hang, and does not wait for those for ever when it stops (P8)', async () => {
    const done = deferred<void>()
    let calls = 0
    const { counterfoil, effect } = setUp(
      {
        execute: async () => {
          if (++calls === 60) done.resolve()
          return { id: `ch_${calls}` }
        },
        inDoubt: 'park',
      },
      { settled: () => new Promise<void>(() => undefined), timeout: 100, leaseGrace: 100 },
    )
    await counterfoil.start()
    await counterfoil.enqueueMany(
      effect,
      Array.from({ length: 60 }, (_, i) => ({ id: `order-${i}` })),
    )
    await done.promise
    await counterfoil.stop()
    expect(calls).toBe(60)
  })

  it('shares among all workers the handlers that lost ones left behind, not all at the same few', async () => {
    const journal = new MemoryJournal({ clock: realClock })
    const handled = [0, 0, 0]
    const newWorker = (number: number) =>
      new Counterfoil({
        journal,
        effects: [
          defineEffect<Order, Receipt, unknown>({
            name: 'charge',
            key: (order) => order.id,
            provider: { execute: async ({ id }) => ({ id }), inDoubt: 'park' },
            settled: async () => {
              handled[number] = (handled[number] ?? 0) + 1
              await realClock.sleep(2)
            },
          }),
        ],
        pollInterval: 20,
      })
    await lostHandlers(journal, 300)
    const workers = [newWorker(0), newWorker(1), newWorker(2)]
    await Promise.all(workers.map((worker) => worker.start()))
    await vi.waitUntil(() => journal.entries().every(({ settlement }) => settlement === 'done'), { timeout: 60_000 })
    await Promise.all(workers.map((worker) => worker.stop()))
    expect(handled.reduce((sum, each) => sum + each, 0)).toBe(300)
    // Whoever finds a handler in another's hands leaves it alone for a second: it must find others meanwhile.
    expect(Math.min(...handled)).toBeGreaterThan(30)
  })

  it('settles what lost workers left behind although its own handlers leave no place free', async () => {
    const settled: string[] = []
    const { journal, counterfoil, effect } = setUp(
      { execute: async ({ id }) => ({ id }), inDoubt: 'park' },
      {
        settled: async (_tx, order) => {
          await realClock.sleep(1)
          settled.push(order.id)
        },
      },
    )
    await counterfoil.enqueueMany(
      effect,
      Array.from({ length: 600 }, (_, i) => ({ id: `order-${i}` })),
    )
    await lostHandlers(journal, 60)
    await counterfoil.start()
    await vi.waitUntil(() => settled.length === 660, { timeout: 60_000 })
    await counterfoil.stop()
    const lastOfThem = settled.findLastIndex((id) => id.startsWith('lost-'))
    expect(lastOfThem).toBeLessThan(400)
  })

  it('makes calls no faster than its handlers can follow, so that few handlers are lost with it', async () => {
    let called = 0
    let settled = 0
    let most = 0
    const { counterfoil, effect } = setUp(
      {
        execute: async ({ id }) => {
          most = Math.max(most, ++called - settled)
          return { id }
        },
        inDoubt: 'park',
      },
      {
        settled: async () => {
          await realClock.sleep(2)
          settled++
        },
      },
    )
    await counterfoil.enqueueMany(
      effect,
      Array.from({ length: 400 }, (_, i) => ({ id: `order-${i}` })),
    )
    await counterfoil.start()
    await vi.waitUntil(() => settled === 400, { timeout: 60_000 })
    await counterfoil.stop()
    // 32 effects at once, and the handlers that run.
    expect(most).toBeLessThanOrEqual(40)
  })
})
