import { describe, expect, it, onTestFinished } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { type Call, type EffectIdentity, NotExecuted, OutcomeUnknown, type Provider } from '../protocol/index.js'
import { internalsOf } from './counterfoil.js'
import { settleByEvidence } from './evidence.js'
import { Counterfoil, type CounterfoilOptions, defineEffect, type EffectDefinition, type Hooks } from './index.js'
import { VirtualClock } from './virtual-clock.fixture.js'

interface Order {
  readonly id: string
}
interface Receipt {
  readonly id: string
}
type Definition = EffectDefinition<Order, Receipt, unknown, Order>

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** How a service fails a call; undefined: it does not. */
type Failure = (call: Call) => Promise<never>

const fails: Readonly<Record<string, Failure>> = {
  'answers 503': async () => {
    throw new OutcomeUnknown('http_503', 'Service unavailable.')
  },
  hangs: ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  'hangs, and its SDK ignores the deadline': () => new Promise(() => undefined),
  'resets connections': async () => {
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
  },
  'refuses connections': async () => {
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
  },
  'answers 429 without a time': async () => {
    throw new NotExecuted('rate_limited', 'Too many.', { notNow: true })
  },
  'answers 503 with Retry-After': async () => {
    throw new OutcomeUnknown('http_503', 'Later.', { retryAfterMs: 20 * SECOND })
  },
}

/** A service that honours keys, and what it was called for and when. */
class Service {
  readonly #clock: VirtualClock
  readonly calls: { readonly key: string; readonly atMs: number }[] = []
  readonly done = new Set<string>()
  /** How it fails the call for a key. */
  failure: (key: string) => Failure | undefined = () => undefined

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  readonly provider: Provider<Order, Receipt> = {
    idempotencyKey: { window: '7d' },
    execute: async ({ id }, call) => {
      this.calls.push({ key: id, atMs: this.#clock.monotonicMs() })
      await this.failure(id)?.(call)
      this.done.add(id)
      return { id }
    },
  }

  callsOf(key: string) {
    return this.calls.filter((each) => each.key === key)
  }
}

interface Told {
  readonly parked: string[]
  readonly inDoubt: string[]
  readonly errors: unknown[]
}

function listening(): { readonly told: Told; readonly hooks: Hooks } {
  const told: Told = { parked: [], inDoubt: [], errors: [] }
  const keyOf = ({ key }: EffectIdentity): string => key
  return {
    told,
    hooks: {
      onParked: (entry) => told.parked.push(keyOf(entry)),
      onInDoubt: (entry) => told.inDoubt.push(keyOf(entry)),
      onError: (error) => told.errors.push(error),
    },
  }
}

/** The engine on virtual time, with everything at its default that a test does not name. */
function setUp(
  definitions: (clock: VirtualClock) => readonly (Partial<Definition> & Pick<Definition, 'provider'>)[],
  options: Partial<CounterfoilOptions<unknown>> = {},
) {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ clock })
  const effects = definitions(clock).map((definition, i) =>
    defineEffect<Order, Receipt, unknown>({ name: `effect-${i}`, key: ({ id }) => id, ...definition }),
  )
  const { told, hooks } = listening()
  let draws = 0
  // Different ones, and the same in every run.
  const randomness = { next: () => (++draws * 0.618_034) % 1, token: () => `token-${++draws}` }
  const counterfoil = new Counterfoil({ journal, effects, clock, randomness, hooks, ...options })
  onTestFinished(async () => {
    const stopped = counterfoil.stop()
    await clock.pass(10 * MINUTE)
    await stopped
  })
  const effect = (i: number) => effects[i] ?? expect.unreachable('There is no such effect.')
  const states = (): string[] => journal.entries().map(({ state }) => state)
  const entryOf = (key: string) => journal.entries().find((entry) => entry.key === key)
  return { clock, journal, counterfoil, effect, told, states, entryOf }
}

function orders(count: number, name = 'order'): Order[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${name}-${i}` }))
}

/** One service, and the effect that calls it. */
function withService(definition: Partial<Definition> = {}, options: Partial<CounterfoilOptions<unknown>> = {}) {
  const services: Service[] = []
  const world = setUp((clock) => {
    const service = new Service(clock)
    services.push(service)
    return [{ provider: service.provider, ...definition }]
  }, options)
  return { ...world, service: services[0] ?? expect.unreachable('There is no service.') }
}

describe('an outage', () => {
  it.each(Object.entries(fails))(
    'in which the service %s costs no attempts, and is over when it is over',
    async (_, failure) => {
      const { clock, service, counterfoil, effect, states, journal } = withService()
      service.failure = () => failure
      await counterfoil.enqueueMany(effect(0), orders(100))
      await counterfoil.start()
      await clock.pass(3 * HOUR)
      expect(states()).not.toContain('parked')
      // Left alone but for probes, of which there are ever fewer.
      const lately = service.calls.filter(({ atMs }) => atMs > 2 * HOUR)
      expect(lately.length).toBeLessThan(60 * 20)
      expect(Math.max(...journal.entries().map(({ attempts }) => attempts))).toBeLessThan(10)
      service.failure = () => undefined
      const isDone = await clock.passUntil(() => states().every((state) => state === 'succeeded'), 4 * MINUTE)
      expect([isDone, service.done.size]).toEqual([true, 100])
    },
  )

  it('of minutes parks no lone entry either, of which nobody can tell whether it is to blame', async () => {
    for (const failure of Object.values(fails)) {
      const { clock, service, counterfoil, effect, states } = withService()
      service.failure = () => failure
      await counterfoil.enqueue(effect(0), { id: 'alone' })
      await counterfoil.start()
      await clock.pass(50 * MINUTE)
      expect(states()).not.toContain('parked')
      service.failure = () => undefined
      expect(await clock.passUntil(() => states()[0] === 'succeeded', 3 * MINUTE)).toBe(true)
    }
  })

  it('is recovered from gently: few calls at first, then more', async () => {
    const { clock, service, counterfoil, effect } = withService()
    service.failure = () => fails['answers 503']
    await counterfoil.enqueueMany(effect(0), orders(200))
    await counterfoil.start()
    await clock.pass(HOUR)
    const before = service.calls.length
    service.failure = () => async () => clock.sleep(SECOND) as Promise<never>
    await clock.passUntil(() => service.done.size > 0, 3 * MINUTE)
    const backAtMs = clock.monotonicMs()
    await clock.pass(10 * SECOND)
    const inSecond = (i: number) =>
      service.calls.slice(before).filter(({ atMs }) => Math.floor((atMs - backAtMs) / SECOND) === i).length
    expect([inSecond(0), inSecond(1), inSecond(2), inSecond(3)]).toEqual([2, 4, 8, 16])
  })

  it('holds a caller of `perform` back nowhere, whose call may be the one that shows its end', async () => {
    const { clock, service, counterfoil, effect } = withService()
    service.failure = () => fails['answers 503']
    await counterfoil.enqueueMany(effect(0), orders(50))
    await counterfoil.start()
    await clock.pass(HOUR)
    service.failure = () => undefined
    await expect(counterfoil.perform(effect(0), { id: 'now' })).resolves.toEqual({ id: 'now' })
  })
})

describe('an entry that makes the service fail by itself', () => {
  it('holds no other back, and is parked after its attempts and its patience', async () => {
    const { clock, service, counterfoil, effect, told, entryOf } = withService()
    service.failure = (key) => (key === 'poison' ? fails['answers 503'] : undefined)
    await counterfoil.enqueue(effect(0), { id: 'poison' })
    await counterfoil.start()
    for (let i = 0; i < 60; i++) {
      await clock.pass(MINUTE)
      await counterfoil.enqueue(effect(0), { id: `good-${i}` })
      expect(await clock.passUntil(() => service.done.has(`good-${i}`), 2 * SECOND)).toBe(true)
    }
    expect(await clock.passUntil(() => told.parked.length > 0, 5 * MINUTE)).toBe(true)
    expect(entryOf('poison')).toMatchObject({ state: 'parked', reason: { code: 'attempts_exhausted' } })
    expect(entryOf('poison')?.attempts).toBeGreaterThanOrEqual(10)
  })

  it('is parked after its attempts alone where no patience is wanted', async () => {
    const { clock, service, counterfoil, effect, told } = withService({ maxAttempts: 3, patience: 0 })
    service.failure = () => fails['answers 503']
    await counterfoil.enqueue(effect(0), { id: 'poison' })
    await counterfoil.start()
    expect(await clock.passUntil(() => told.parked.includes('poison'), MINUTE)).toBe(true)
    expect(service.callsOf('poison')).toHaveLength(3)
  })

  it('holds none back for long though it has many of its kind, and each of them is parked in the end', async () => {
    const { clock, service, counterfoil, effect, told } = withService()
    service.failure = (key) => (key.startsWith('poison') ? fails['answers 503'] : undefined)
    await counterfoil.enqueueMany(effect(0), orders(12, 'poison'))
    await counterfoil.start()
    const waitsMs: number[] = []
    for (let i = 0; told.parked.length < 12; i++) {
      await clock.pass(50 * SECOND)
      const fromMs = clock.monotonicMs()
      await counterfoil.enqueue(effect(0), { id: `good-${i}` })
      expect(await clock.passUntil(() => service.done.has(`good-${i}`), 5 * MINUTE)).toBe(true)
      waitsMs.push(clock.monotonicMs() - fromMs)
    }
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(2 * MINUTE)
    expect(clock.monotonicMs()).toBeLessThan(2 * HOUR)
  })
})

describe('Retry-After', () => {
  it('is obeyed for its entry, whatever the outcome that it came with', async () => {
    for (const answer of [
      new NotExecuted('http_429', 'Later.', { retryAfterMs: 5 * MINUTE }),
      new OutcomeUnknown('http_500', 'Later.', { retryAfterMs: 5 * MINUTE }),
    ]) {
      const { clock, service, counterfoil, effect } = withService()
      service.failure = () => (service.calls.length === 1 ? () => Promise.reject(answer) : undefined)
      await counterfoil.enqueue(effect(0), { id: 'order' })
      await counterfoil.start()
      await clock.passUntil(() => service.done.has('order'), HOUR)
      const [first, second] = service.calls
      expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(5 * MINUTE)
    }
  })

  it('is obeyed by look-ups too', async () => {
    const askedAtMs: number[] = []
    const { clock, counterfoil, effect, states } = setUp((time) => [
      {
        provider: {
          settlesWithin: 0,
          execute: () => Promise.reject(new OutcomeUnknown('lost', 'Lost.')),
          find: async ({ id }) => {
            askedAtMs.push(time.monotonicMs())
            if (askedAtMs.length === 1) throw new OutcomeUnknown('http_503', 'Later.', { retryAfterMs: 5 * MINUTE })
            return { id }
          },
        },
      },
    ])
    await counterfoil.enqueue(effect(0), { id: 'order' })
    await counterfoil.start()
    await clock.passUntil(() => states()[0] === 'succeeded', HOUR)
    expect((askedAtMs[1] ?? 0) - (askedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(5 * MINUTE)
  })

  it('is obeyed by what `perform` tries again, also where another effect’s call was told to wait', async () => {
    const { clock, service, counterfoil, effect } = withService()
    service.failure = (key) => {
      const { length } = service.callsOf(key)
      if (key === 'early' && length === 1) return fails['answers 503']
      if (key === 'late' && length === 1) return fails['answers 503 with Retry-After']
      return undefined
    }
    const waiting = [counterfoil.perform(effect(0), { id: 'early' }), counterfoil.perform(effect(0), { id: 'late' })]
    expect(await clock.passUntil(() => service.done.size === 2, MINUTE)).toBe(true)
    await Promise.all(waiting)
    expect(service.callsOf('early')[1]?.atMs).toBeGreaterThanOrEqual(20 * SECOND)
    expect(service.callsOf('late')[1]?.atMs).toBeGreaterThanOrEqual(20 * SECOND)
  })

  it('is obeyed for an hour at most, and a longer one is told: a bogus one must not stop a service for good', async () => {
    const { clock, service, counterfoil, effect, told } = withService()
    const bogus = new NotExecuted('http_429', 'Later.', { retryAfterMs: 1_764_000_000_000 })
    service.failure = () => (service.calls.length === 1 ? () => Promise.reject(bogus) : undefined)
    await counterfoil.enqueueMany(effect(0), orders(3))
    await counterfoil.start()
    expect(await clock.passUntil(() => service.done.size === 3, HOUR + MINUTE)).toBe(true)
    expect(told.errors.map(String)).toEqual([expect.stringContaining('"effect-0" asked to be left alone')])
  })
})

describe('a doubt that cannot be looked up', () => {
  function doubtful(failure: () => Error) {
    const askedAtMs: number[] = []
    const define = (time: VirtualClock) => [
      {
        provider: {
          settlesWithin: 0,
          execute: () => Promise.reject(new OutcomeUnknown('lost', 'Lost.')),
          find: async () => {
            askedAtMs.push(time.monotonicMs())
            throw failure()
          },
        },
      },
    ]
    return { ...setUp(define, { pollInterval: '1m' }), askedAtMs }
  }

  it('is parked after more than a day, and two at most, as the documentation says of the defaults', async () => {
    const { clock, counterfoil, effect, told, askedAtMs, entryOf } = doubtful(() => new Error('http_500'))
    await counterfoil.enqueue(effect(0), { id: 'order' })
    await counterfoil.start()
    expect(await clock.passUntil(() => told.parked.length > 0, 100 * HOUR)).toBe(true)
    expect(entryOf('order')).toMatchObject({ reason: { code: 'find_keeps_failing' } })
    expect(askedAtMs).toHaveLength(64)
    expect(clock.monotonicMs()).toBeGreaterThan(24 * HOUR)
    expect(clock.monotonicMs()).toBeLessThan(51 * HOUR)
  })

  it('is parked by no outage in which the service could not be reached', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
    const { clock, counterfoil, effect, states, entryOf } = doubtful(() => refused)
    await counterfoil.enqueue(effect(0), { id: 'order' })
    await counterfoil.start()
    await clock.pass(48 * HOUR)
    expect(states()).toEqual(['in_doubt'])
    expect(entryOf('order')?.findFailures).toBe(0)
  })
})

describe('the places of the loop', () => {
  it('are never all filled by a service that hangs: others are called within about one look', async () => {
    const services: Service[] = []
    const { clock, counterfoil, effect } = setUp((time) => {
      services.push(new Service(time), new Service(time))
      return services.map(({ provider }) => ({ provider }))
    })
    const [hanging, healthy] = services
    if (hanging === undefined || healthy === undefined) return expect.unreachable('There are two.')
    hanging.failure = () => fails.hangs
    await counterfoil.enqueueMany(effect(0), orders(100))
    await counterfoil.start()
    for (let i = 0; i < 200; i++) {
      // Over several of its timeouts, in which entries that were begun come first.
      await clock.pass(1_300)
      const fromMs = clock.monotonicMs()
      await counterfoil.enqueue(effect(1), { id: `healthy-${i}` })
      await clock.passUntil(() => healthy.done.has(`healthy-${i}`), MINUTE)
      expect(clock.monotonicMs() - fromMs).toBeLessThanOrEqual(SECOND)
    }
  })

  it('are all for a service that is the only one', async () => {
    const { clock, service, counterfoil, effect } = withService()
    service.failure = () => fails.hangs
    await counterfoil.enqueueMany(effect(0), orders(100))
    await counterfoil.start()
    await clock.pass(SECOND)
    expect(service.calls).toHaveLength(32)
  })
})

describe('the hooks', () => {
  it('tell of a doubt', async () => {
    const { clock, service, counterfoil, effect, told } = withService()
    service.failure = () => fails['answers 503']
    await counterfoil.enqueue(effect(0), { id: 'order' })
    await counterfoil.start()
    await clock.passUntil(() => told.inDoubt.length > 0, SECOND)
    expect(told.inDoubt).toEqual(['order'])
  })

  it('tell of an entry that is parked by evidence, once', async () => {
    const { clock, service, journal, counterfoil, effect, told, entryOf } = withService()
    service.failure = () => fails['answers 503']
    void counterfoil.perform(effect(0), { id: 'order' }, { wait: 1 }).catch(() => undefined)
    await clock.passUntil(() => told.inDoubt.length > 0, SECOND)
    const { core } = internalsOf(counterfoil)
    const absent = { kind: 'absent', maxAttempts: 1, calledOff: null } as const
    for (let i = 0; i < 2; i++) {
      const [seen] = await journal.read([entryOf('order')?.id ?? ''])
      if (seen) await settleByEvidence(core, seen, absent)
    }
    expect(entryOf('order')?.state).toBe('parked')
    expect(told.parked).toEqual(['order'])
  })
})
