import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { MemoryJournal, type MemoryTransaction } from '../journal/memory/index.js'
import { NotExecuted, type Provider, type State } from '../protocol/index.js'
import { realClock, realRandomness } from '../system/index.js'
import { type Gateway, type GatewayOptions, startGateway } from '../testing/index.js'
import { Counterfoil, defineEffect, type EffectDefinition } from './index.js'

interface Order {
  readonly id: string
}
type Definition = EffectDefinition<Order, { readonly id: string }, MemoryTransaction, Order>

/** The gateway by hand. It honours keys, so that nothing is parked for doubt. */
function providerAt(gateway: Gateway, service: string): Provider<Order, { readonly id: string }> {
  return {
    service,
    idempotencyKey: { window: '24h' },
    async execute(order, call) {
      const response = await fetch(`${gateway.url}/v1/payment_intents`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk_test_dispatcher', 'idempotency-key': call.reference },
        body: new URLSearchParams({
          amount: '100',
          currency: 'eur',
          payment_method: 'pm_card_visa',
          confirm: 'true',
          'metadata[order_id]': order.id,
        }),
        signal: call.signal,
      })
      if (response.status === 429) {
        const retryAfterMs = Number(response.headers.get('retry-after')) * 1_000
        throw new NotExecuted('rate_limited', 'The gateway asks to wait.', { retryAfterMs })
      }
      return (await response.json()) as { id: string }
    },
  }
}

async function setUp(definitions: (gateway: Gateway) => readonly Partial<Definition>[], options: GatewayOptions = {}) {
  const gateway = await startGateway(options)
  const journal = new MemoryJournal({ clock: realClock })
  const effects = definitions(gateway).map((definition, i) =>
    defineEffect({
      name: `effect-${i}`,
      key: (order: Order) => order.id,
      provider: providerAt(gateway, `service-${i}`),
      timeout: '2s',
      retryDelay: { first: 5, longest: 50 },
      ...definition,
    }),
  )
  // Every wait is three tenths of what it may be, so that no run is much longer than another.
  const randomness = { ...realRandomness, next: () => 0.3 }
  const counterfoil = new Counterfoil<MemoryTransaction>({ journal, effects, randomness, pollInterval: 10 })
  onTestFinished(async () => {
    await counterfoil.stop()
    await gateway.close()
  })
  const [first, second] = effects
  if (first === undefined) throw new Error('There is no effect.')
  const states = (): State[] => journal.entries().map((entry) => entry.state)
  const untilAll = (state: State) =>
    vi.waitUntil(() => states().every((each) => each === state), { timeout: 20_000, interval: 5 })
  return { gateway, journal, counterfoil, first, second: second ?? first, states, untilAll }
}

function orders(count: number, name = 'order'): Order[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${name}-${i}` }))
}

describe('the dispatcher', () => {
  it('carries no more of an effect at once than its concurrency, and other effects meanwhile', async () => {
    const underWay = { bounded: 0, free: 0 }
    const most = { bounded: 0, free: 0 }
    const counting = (which: 'bounded' | 'free'): Provider<Order, { id: string }> => ({
      inDoubt: 'park',
      async execute(order) {
        underWay[which]++
        most[which] = Math.max(most[which], underWay[which])
        await realClock.sleep(5)
        underWay[which]--
        return { id: order.id }
      },
    })
    const { counterfoil, first, second, untilAll } = await setUp(() => [
      { provider: counting('bounded'), concurrency: 2 },
      { provider: counting('free') },
    ])
    await counterfoil.enqueueMany(first, orders(30))
    await counterfoil.enqueueMany(second, orders(30))
    await counterfoil.start()
    await untilAll('succeeded')
    expect(most.bounded).toBe(2)
    expect(most.free).toBeGreaterThan(2)
  })

  it('begins no more calls to a service than its rate limit, over all its effects', async () => {
    const rateLimit = { calls: 5, per: 150 }
    const begunAtMs: number[] = []
    const { gateway, counterfoil, first, second, untilAll } = await setUp((gateway) => {
      const provider = { ...providerAt(gateway, 'limited'), rateLimit }
      const { execute } = provider
      provider.execute = (order, call) => {
        begunAtMs.push(realClock.monotonicMs())
        return execute(order, call)
      }
      return [{ provider }, { provider, serializeBy: (order) => order.id }]
    })
    await counterfoil.enqueueMany(first, orders(15, 'one'))
    await counterfoil.enqueueMany(second, orders(15, 'other'))
    await counterfoil.start()
    await untilAll('succeeded')
    expect(begunAtMs).toHaveLength(30)
    // Six fives take five times the stretch, and no burst can hide in it; that it is kept in any stretch is shown on a
    // clock that stands (guards.test.ts). The slack is for a process that is put aside between the count and our look.
    expect(Math.max(...begunAtMs) - Math.min(...begunAtMs)).toBeGreaterThan(5 * rateLimit.per - 50)
    expect(gateway.ledger.totals()).toMatchObject({ charges: 30, chargedTwice: 0 })
  })

  it('leaves a service alone for as long as it asked (Retry-After), and no other service', async () => {
    const { gateway, counterfoil, first, second, untilAll } = await setUp((gateway) => [
      { provider: providerAt(gateway, 'asks-to-wait'), concurrency: 1 },
      { provider: providerAt(gateway, 'other') },
    ])
    gateway.fault({ businessKey: 'order-0', times: 1, fault: { kind: 'rate_limit', retryAfterSeconds: 1 } })
    await counterfoil.enqueueMany(first, orders(10))
    await counterfoil.start()
    const limited = await gateway.requests.until('finished', { fault: 'rate_limit' })
    await counterfoil.enqueueMany(second, orders(10, 'elsewhere'))
    await untilAll('succeeded')
    const all = gateway.requests.all({ method: 'POST' })
    const after = all.filter((request) => request.receivedMs > limited.receivedMs)
    const waited = after.filter((request) => request.businessKey?.startsWith('order-'))
    const others = after.filter((request) => request.businessKey?.startsWith('elsewhere-'))
    expect(waited).toHaveLength(10)
    expect(Math.min(...waited.map((request) => request.receivedMs)) - limited.receivedMs).toBeGreaterThanOrEqual(990)
    expect(Math.max(...others.map((request) => request.receivedMs)) - limited.receivedMs).toBeLessThan(900)
  })

  it('spends no attempts on an outage, however long, and goes on when it is over', async () => {
    const { gateway, journal, counterfoil, first, untilAll, states } = await setUp((gateway) => [
      { provider: providerAt(gateway, 'down'), maxAttempts: 2 },
    ])
    await gateway.refuseConnections()
    await counterfoil.enqueueMany(first, orders(40))
    await counterfoil.start()
    await realClock.sleep(1_500)
    expect(states()).not.toContain('parked')
    // Some were tried while nobody knew yet; then all but a probe now and then are left alone.
    const untouched = journal.entries().filter((entry) => entry.fence === 0)
    await realClock.sleep(500)
    const still = journal.entries().filter((entry) => entry.fence === 0)
    expect(untouched.length - still.length).toBeLessThanOrEqual(3)
    await gateway.acceptConnections()
    await untilAll('succeeded')
    expect(Math.max(...journal.entries().map((entry) => entry.attempts))).toBeLessThanOrEqual(2)
    expect(gateway.ledger.totals()).toMatchObject({ charges: 40, chargedTwice: 0 })
  })

  it('parks a poison entry after its attempts, and lets it block nobody', async () => {
    const { journal, counterfoil, first } = await setUp((gateway) => {
      const good = providerAt(gateway, 'poisoned')
      const execute: typeof good.execute = async (order, call) => {
        if (order.id === 'order-0') throw new NotExecuted('poison', 'This order can never be made.')
        return good.execute(order, call)
      }
      return [{ provider: { ...good, execute } as typeof good, maxAttempts: 3, patience: 0, concurrency: 1 }]
    })
    await counterfoil.enqueueMany(first, orders(20))
    await counterfoil.start()
    await vi.waitUntil(() => journal.entries().some((entry) => entry.state === 'parked'), { timeout: 10_000 })
    const [poison] = journal.entries().filter((entry) => entry.state === 'parked')
    expect(poison).toMatchObject({ key: 'order-0', attempts: 3, reason: { code: 'attempts_exhausted' } })
    await vi.waitUntil(() => journal.entries().filter((entry) => entry.state === 'succeeded').length === 19, {
      timeout: 10_000,
    })
  })

  describe('of a process that enqueues in a transaction of its own', () => {
    /** Counts how entries come to be carried, and lets every call wait until it is told to go on. */
    async function setUpHeld(definition: Partial<Definition> = {}, concurrency?: number) {
      const journal = new MemoryJournal({ clock: realClock })
      const calls: string[] = []
      const held: (() => void)[] = []
      const execute = (order: Order) =>
        new Promise<{ id: string }>((resolve) => {
          calls.push(order.id)
          held.push(() => resolve({ id: order.id }))
        })
      const key = (order: Order) => order.id
      const provider: Provider<Order, { id: string }> = { idempotencyKey: { window: '24h' }, execute }
      const effect = defineEffect({ name: 'held', key, provider, ...definition })
      const effects = [effect]
      const counterfoil = new Counterfoil<MemoryTransaction>({
        journal,
        effects,
        ...(concurrency === undefined ? {} : { concurrency }),
      })
      const elsewhere = new Counterfoil<MemoryTransaction>({ journal, effects })
      onTestFinished(async () => {
        const releasing = setInterval(() => {
          for (const release of held.splice(0)) release()
        }, 5)
        await counterfoil.stop()
        clearInterval(releasing)
      })
      const stateOf = (name: string) => journal.entries().find((entry) => entry.key === name)?.state
      const untilCalled = (name: string) => vi.waitUntil(() => calls.includes(name), { timeout: 5_000, interval: 1 })
      return { journal, counterfoil, elsewhere, effect, calls, held, stateOf, untilCalled }
    }

    it('begins what is new in the commit that writes it, where nobody has waited for longer', async () => {
      const { journal, counterfoil, effect, held, stateOf, untilCalled } = await setUpHeld()
      await counterfoil.start()
      const claims = vi.spyOn(journal, 'claimDue')
      await counterfoil.enqueue(effect, { id: 'new' })
      expect(stateOf('new')).toBe('executing')
      await untilCalled('new')
      held.shift()?.()
      await vi.waitUntil(() => stateOf('new') === 'succeeded')
      const claimed = await Promise.all(claims.mock.results.map(({ value }) => value))
      expect(claimed.flat()).toEqual([])
    })

    it('tells of a duplicate as ever, and makes nothing of it', async () => {
      const { counterfoil, effect, calls, untilCalled } = await setUpHeld()
      await counterfoil.start()
      const [one, twin] = await counterfoil.enqueueMany(effect, [{ id: 'same' }, { id: 'same' }])
      await untilCalled('same')
      const again = await counterfoil.enqueue(effect, { id: 'same' })
      expect([one?.created, twin?.created, again.created]).toEqual([true, false, false])
      expect(calls).toEqual(['same'])
    })

    it('lets what has waited come first', async () => {
      const { counterfoil, elsewhere, effect, calls, held, untilCalled } = await setUpHeld({}, 1)
      await elsewhere.enqueueMany(effect, orders(3, 'waiting'))
      await counterfoil.start()
      await untilCalled('waiting-0')
      await counterfoil.enqueue(effect, { id: 'new' })
      for (let i = 1; i < 4; i++) {
        held.shift()?.()
        await vi.waitUntil(() => calls.length > i, { timeout: 5_000, interval: 1 })
      }
      expect(calls).toEqual(['waiting-0', 'waiting-1', 'waiting-2', 'new'])
    })

    it('notices what others have enqueued, however much of its own keeps every place taken', async () => {
      const { counterfoil, elsewhere, effect, calls, held, untilCalled } = await setUpHeld({}, 1)
      await counterfoil.start()
      await counterfoil.enqueue(effect, { id: 'own-0' })
      await elsewhere.enqueue(effect, { id: 'from elsewhere' })
      let own = 0
      const keepingOn = setInterval(() => {
        held.shift()?.()
        void counterfoil.enqueue(effect, { id: `own-${++own}` })
      }, 5)
      await untilCalled('from elsewhere').finally(() => clearInterval(keepingOn))
      expect(calls.length).toBeGreaterThan(0)
    })

    it('carries no more at once than its concurrency, and leaves the rest to whoever has a place', async () => {
      const { counterfoil, effect, calls, stateOf } = await setUpHeld({}, 3)
      await counterfoil.start()
      for (const order of orders(5, 'one')) await counterfoil.enqueue(effect, order)
      await vi.waitUntil(() => calls.length === 3)
      expect(stateOf('one-4')).toBe('pending')
      await realClock.sleep(50)
      expect(calls).toHaveLength(3)
    })

    it('lets an effect wait whose doubt nobody could end, should the answer of the database be lost', async () => {
      const provider: Provider<Order, { id: string }> = { inDoubt: 'park', execute: async ({ id }) => ({ id }) }
      const { journal, counterfoil, effect, stateOf } = await setUpHeld({ provider })
      await counterfoil.start()
      const begins = vi.spyOn(journal, 'beginAndWrite')
      await counterfoil.enqueue(effect, { id: 'careful' })
      await vi.waitUntil(() => stateOf('careful') === 'succeeded')
      expect(begins).not.toHaveBeenCalled()
    })

    it('lets an effect that is put off, or that has to come in its turn, wait', async () => {
      const { counterfoil, effect, stateOf } = await setUpHeld()
      await counterfoil.start()
      await counterfoil.enqueue(effect, { id: 'later' }, { notBefore: '1h' })
      expect(stateOf('later')).toBe('pending')
      const turns = await setUpHeld({ serializeBy: () => 'customer' })
      await turns.counterfoil.start()
      await turns.counterfoil.enqueueMany(turns.effect, orders(3))
      await turns.untilCalled('order-0')
      expect([turns.stateOf('order-1'), turns.stateOf('order-2')]).toEqual(['pending', 'pending'])
    })
  })

  it('refuses a concurrency that makes no sense', () => {
    const provider: Provider<Order, { id: string }> = { execute: async ({ id }) => ({ id }), inDoubt: 'park' }
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      expect(() => defineEffect({ name: 'any', key: (order: Order) => order.id, provider, concurrency })).toThrow(
        /concurrency/,
      )
    }
  })
})
