import { describe, expect, it, onTestFinished } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { MemoryLease } from '../lease/memory.js'
import { redisLease } from '../lease/redis/index.js'
import { ConfigurationError, type LeaseService, LeaseUnavailable } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, defineEffect, type EffectDefinition } from './index.js'

interface Order {
  readonly id: string
}
type Definition = EffectDefinition<Order, Order, unknown, Order>

const IN_TURN: Partial<Definition> = { serializeBy: () => 'customer-1' }

function setUp(lease: LeaseService, definition: Partial<Definition> = IN_TURN) {
  const errors: unknown[] = []
  let tell: () => void = () => undefined
  const made: string[] = []
  const effect = defineEffect<Order, Order>({
    name: 'charge',
    key: (order) => order.id,
    provider: {
      inDoubt: 'park',
      execute: async (order) => {
        made.push(order.id)
        tell()
        return order
      },
    },
    ...definition,
  })
  const hooks = {
    onError: (error: unknown) => {
      errors.push(error)
      tell()
    },
  }
  const journal = new MemoryJournal({ clock: realClock })
  const counterfoil = new Counterfoil({ journal, lease, effects: [effect], pollInterval: 10, hooks })
  onTestFinished(() => counterfoil.stop())
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        tell = resolve
      })
    }
  }
  return { counterfoil, effect, errors, made, until }
}

/** Throws what `problem` says, as often as it is asked. */
function brokenLease(problem: { error: unknown }): LeaseService & { readonly asked: () => number } {
  const lease = new MemoryLease(realClock)
  let asked = 0
  return {
    asked: () => asked,
    acquire: async (...args) => {
      asked++
      if (problem.error !== null) throw problem.error
      return lease.acquire(...args)
    },
    renew: (...args) => lease.renew(...args),
    release: (grant) => lease.release(grant),
  }
}

describe('effects with a serializeBy', () => {
  it('get their leases from Redis with the defaults of both', () => {
    const client = { evalsha: async () => [], eval: async () => [] }
    expect(() => setUp(redisLease(client))).not.toThrow()
  })

  it('are refused at the start where the lease service grants less than they ask for, and told what to set', () => {
    const lease = { ...brokenLease({ error: null }), maxTtlMs: 30_000 }
    expect(() => setUp(lease)).toThrow(ConfigurationError)
    expect(() => setUp(lease)).toThrow(/"charge".* 40000 ms.* 30000 ms at most\. Set its maxTtl to 40000/)
    expect(() => setUp(lease, { ...IN_TURN, timeout: '20s' })).not.toThrow()
    expect(() => setUp(lease, {})).not.toThrow()
  })

  const problems = [
    { name: 'throws', error: new TypeError('no such script') },
    { name: 'cannot be reached', error: new LeaseUnavailable('k', 'unreachable', 'connection refused') },
    { name: 'lacks a right', error: new LeaseUnavailable('k', 'unreachable', 'NOPERM', { transient: false }) },
  ]
  it.each(problems)(
    'are tried with back-off while the lease service $name, and each failure is told',
    async ({ error }) => {
      const problem: { error: unknown } = { error }
      const lease = brokenLease(problem)
      const { counterfoil, effect, errors, made, until } = setUp(lease)
      await counterfoil.enqueueMany(
        effect,
        Array.from({ length: 40 }, (_, i) => ({ id: `order-${i}` })),
      )
      await counterfoil.start()
      await until(() => errors.length > 0)
      await realClock.sleep(400)
      // By full jitter below 100, 200, 400, … ms. A loop that spins asks thousands of times, and wakes no timer in memory.
      expect(lease.asked()).toBeLessThan(20)
      expect(new Set(errors)).toEqual(new Set([error]))
      problem.error = null
      await until(() => made.length === 40)
      expect(made).toEqual(made.toSorted((a, b) => Number(a.slice(6)) - Number(b.slice(6))))
    },
  )

  it('keep no other effect from being made while the lease service fails', async () => {
    const problem: { error: unknown } = { error: new Error('no such script') }
    let made = 0
    const provider = {
      inDoubt: 'park' as const,
      execute: async (order: Order) => {
        made++
        return order
      },
    }
    const key = (order: Order): string => order.id
    const inTurn = defineEffect<Order, Order>({ name: 'in-turn', key, provider, serializeBy: key })
    const free = defineEffect<Order, Order>({ name: 'free', key, provider })
    const journal = new MemoryJournal({ clock: realClock })
    const lease = brokenLease(problem)
    const counterfoil = new Counterfoil({ journal, lease, effects: [inTurn, free], pollInterval: 10 })
    const orders = Array.from({ length: 100 }, (_, i) => ({ id: `order-${i}` }))
    await counterfoil.enqueueMany(inTurn, orders)
    await counterfoil.enqueueMany(free, orders)
    await counterfoil.start()
    while (made < 100) await realClock.sleep(5)
    await counterfoil.stop()
    const states = journal.entries().map(({ effect, state }) => `${effect} ${state}`)
    expect(new Set(states)).toEqual(new Set(['in-turn pending', 'free succeeded']))
  })
})
