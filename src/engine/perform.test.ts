import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MemoryJournal } from '../journal/memory/index.js'
import {
  EffectInDoubt,
  EffectRejected,
  GenerationNotOpenError,
  InvalidInputError,
  InvalidKeyError,
  InvalidReceiptError,
  KeyReuseError,
  NotExecuted,
  OutcomeUnknown,
  type Provider,
  Rejected,
} from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, type CounterfoilOptions, defineEffect, type EffectDefinition } from './index.js'

interface Order {
  readonly id: string
  readonly cents: number
}
interface Receipt {
  readonly id: string
  readonly cents: number
}

/** A service with a ledger, and a script of what each call does to its caller. */
class Service {
  readonly ledger: { reference: string; receipt: Receipt }[] = []
  calls = 0
  script: ((reference: string) => Promise<void> | void)[] = []

  async charge(order: Order, reference: string): Promise<Receipt> {
    const number = ++this.calls
    await this.script[number - 1]?.(reference)
    return this.book(order, reference)
  }

  book(order: Order, reference: string): Receipt {
    const stored = this.ledger.find((each) => each.reference === reference)
    if (stored !== undefined) return stored.receipt
    const receipt = { id: `ch_${this.ledger.length + 1}`, cents: order.cents }
    this.ledger.push({ reference, receipt })
    return receipt
  }

  byReference(reference: string): Receipt | null {
    return this.ledger.find((each) => each.reference === reference)?.receipt ?? null
  }
}

type Overrides = Partial<EffectDefinition<Order, Receipt, unknown, Order>>

const FAST = { retryDelay: { first: 5, longest: 20 }, timeout: '2s', leaseGrace: '1s' } as const

function keyed(service: Service): Provider<Order, Receipt> {
  return {
    execute: (order, call) => service.charge(order, call.reference),
    idempotencyKey: { window: '24h' },
  }
}

function effectOf(service: Service, overrides: Overrides = {}) {
  return defineEffect<Order, Receipt, unknown>({
    name: 'charge-order',
    key: (order) => order.id,
    provider: keyed(service),
    ...FAST,
    ...overrides,
  })
}

function setUp(overrides: Overrides = {}, options: Partial<CounterfoilOptions<unknown>> = {}) {
  const service = new Service()
  const journal = new MemoryJournal({ clock: realClock })
  const effect = effectOf(service, overrides)
  const counterfoil = new Counterfoil({ journal, effects: [effect], ...options })
  return { service, journal, effect, counterfoil }
}

const order: Order = { id: 'order-1', cents: 1999 }

describe('perform', () => {
  it('calls once and gives every later duplicate the same receipt', async () => {
    const { service, counterfoil, effect } = setUp()
    const first = await counterfoil.perform(effect, order)
    const second = await counterfoil.perform(effect, order)
    expect(first).toEqual({ id: 'ch_1', cents: 1999 })
    expect(second).toEqual(first)
    expect(service.calls).toBe(1)
  })

  it('makes one call for concurrent duplicates, in one engine and in several', async () => {
    const { service, journal, effect, counterfoil } = setUp()
    const other = new Counterfoil({ journal, effects: [effect] })
    service.script = [() => realClock.sleep(30)]
    const receipts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? counterfoil : other).perform(effect, order)),
    )
    expect(new Set(receipts.map((receipt) => receipt.id))).toEqual(new Set(['ch_1']))
    expect(service.calls).toBe(1)
  })

  it('gives duplicates of a rejected effect the same rejection, without another call (P6)', async () => {
    const { service, counterfoil, effect } = setUp()
    service.script = [
      () => {
        throw new Rejected('card_declined', 'Your card was declined.')
      },
    ]
    for (let i = 0; i < 3; i++) {
      const error = await counterfoil.perform(effect, order).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(EffectRejected)
      expect(error).toMatchObject({ reason: { code: 'card_declined' } })
    }
    expect(service.calls).toBe(1)
  })

  it('begins another generation only when it is named, and only after a rejection (P6)', async () => {
    const { service, counterfoil, effect } = setUp()
    service.script = [
      () => {
        throw new Rejected('card_declined', 'Your card was declined.')
      },
    ]
    await expect(counterfoil.perform(effect, order, { generation: 2 })).rejects.toBeInstanceOf(GenerationNotOpenError)
    await expect(counterfoil.perform(effect, order)).rejects.toBeInstanceOf(EffectRejected)
    await expect(counterfoil.perform(effect, order, { generation: 3 })).rejects.toBeInstanceOf(GenerationNotOpenError)
    const anotherCard = { ...order, cents: 2099 }
    const receipt = await counterfoil.perform(effect, anotherCard, { generation: 2 })
    expect(await counterfoil.perform(effect, anotherCard, { generation: 2 })).toEqual(receipt)
    expect(await counterfoil.perform(effect, order)).toEqual(receipt)
    await expect(counterfoil.perform(effect, order, { generation: 1 })).rejects.toMatchObject({
      reason: { code: 'superseded' },
    })
    await expect(counterfoil.perform(effect, order, { generation: 3 })).rejects.toBeInstanceOf(GenerationNotOpenError)
    expect(service.calls).toBe(2)
    expect(new Set(service.ledger.map((each) => each.reference)).size).toBe(1)
  })

  it('refuses the same key with another input, and leaves the first effect alone (P7)', async () => {
    const { service, counterfoil, effect } = setUp()
    await counterfoil.perform(effect, order)
    await expect(counterfoil.perform(effect, { ...order, cents: 1 })).rejects.toBeInstanceOf(KeyReuseError)
    expect(service.ledger).toHaveLength(1)
  })

  it('compares only the part of the input that the fingerprint names', async () => {
    const { service, counterfoil, effect } = setUp({ fingerprint: (input) => ({ id: input.id }) })
    await counterfoil.perform(effect, order)
    await expect(counterfoil.perform(effect, { ...order, cents: 1 })).resolves.toMatchObject({ cents: 1999 })
    expect(service.calls).toBe(1)
  })

  it('tries again by itself what was surely not executed', async () => {
    const { service, counterfoil, effect } = setUp()
    const refuse = () => {
      throw new NotExecuted('ECONNREFUSED', 'connect ECONNREFUSED')
    }
    service.script = [refuse, refuse]
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(service.calls).toBe(3)
  })

  it('asks again with the same key after an unknown outcome, and ends with one charge (P4 a)', async () => {
    const { service, counterfoil, effect } = setUp()
    service.script = [
      (reference) => {
        service.book(order, reference)
        throw new OutcomeUnknown('reset', 'The answer was lost.')
      },
    ]
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(service.calls).toBe(2)
    expect(service.ledger).toHaveLength(1)
  })

  it('parks what is in doubt when the service can neither honour a key nor be asked, and never calls again', async () => {
    const service = new Service()
    const parked: string[] = []
    const effect = effectOf(service, {
      provider: { execute: (input, call) => service.charge(input, call.reference), inDoubt: 'park' },
    })
    const journal = new MemoryJournal({ clock: realClock })
    const counterfoil = new Counterfoil({
      journal,
      effects: [effect],
      hooks: { onParked: ({ key }) => parked.push(key) },
    })
    service.script = [
      () => {
        throw new Error('socket hang up')
      },
    ]
    for (let i = 0; i < 2; i++) {
      const error = await counterfoil.perform(effect, order).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(EffectInDoubt)
      expect(error).toMatchObject({ state: 'parked', reason: { code: 'no_way_to_know' } })
    }
    expect(service.calls).toBe(1)
    expect(parked).toEqual(['order-1'])
  })

  it('never calls again on the strength of a failed look-up, or of an absence that was asked too early (P4 b, P5)', async () => {
    const service = new Service()
    const asked: ('failed' | 'absent' | 'present')[] = []
    const lostAtMs = { value: 0 }
    const effect = effectOf(service, {
      provider: {
        execute: (input, call) => service.charge(input, call.reference),
        settlesWithin: 300,
        find: async (_input, call) => {
          if (asked.length < 2) {
            asked.push('failed')
            throw new Error('503')
          }
          // The service shows nothing for a while after the charge.
          const found = realClock.monotonicMs() - lostAtMs.value < 200 ? null : service.byReference(call.reference)
          asked.push(found === null ? 'absent' : 'present')
          return found
        },
      },
    })
    const counterfoil = new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [effect] })
    const book = service.book.bind(service)
    service.book = (input, reference) => {
      book(input, reference)
      lostAtMs.value = realClock.monotonicMs()
      throw new Error('socket hang up')
    }
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(service.calls).toBe(1)
    expect(asked).toContain('failed')
    expect(asked).toContain('absent')
    expect(asked.at(-1)).toBe('present')
  })

  it('calls again once an absence is proven (P4 b)', async () => {
    const service = new Service()
    const effect = effectOf(service, {
      provider: {
        execute: (input, call) => service.charge(input, call.reference),
        settlesWithin: 50,
        find: async (_input, call) => service.byReference(call.reference),
      },
    })
    const counterfoil = new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [effect] })
    service.script = [
      () => {
        throw new Error('socket hang up')
      },
    ]
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(service.calls).toBe(2)
  })

  it('stops waiting when the caller asks, while the effect goes on', async () => {
    const { service, counterfoil, effect } = setUp()
    service.script = [() => realClock.sleep(80)]
    const error = await counterfoil.perform(effect, order, { wait: 10 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EffectInDoubt)
    expect(error).toMatchObject({ identity: { key: 'order-1', effect: 'charge-order' } })
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(service.calls).toBe(1)
  })

  it('abandons a call that ignores its deadline, and does not take its late answer for the present', async () => {
    const { service, counterfoil, effect } = setUp({ timeout: 60, maxAttempts: 2 })
    service.script = [() => realClock.sleep(2_000)]
    const started = realClock.monotonicMs()
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
    expect(realClock.monotonicMs() - started).toBeLessThan(1_500)
    expect(service.calls).toBe(2)
  })

  it('refuses bad keys and inputs before anything is written or sent', async () => {
    const { service, counterfoil, effect } = setUp()
    for (const id of ['', 'x'.repeat(513), 'a\u0000b', '\ud800']) {
      const refused = counterfoil.perform(effect, { id, cents: 1 })
      await expect(refused).rejects.toSatisfy(
        (error) => error instanceof InvalidKeyError || error instanceof InvalidInputError,
      )
    }
    await expect(counterfoil.perform(effect, { id: 'a', cents: Number.NaN })).rejects.toBeInstanceOf(InvalidInputError)
    expect(service.calls).toBe(0)
  })
})

describe('schemas', () => {
  const Input = z.object({ id: z.string(), cents: z.number().int().positive() })

  it('refuse an input before anything is written or sent', async () => {
    const { service, counterfoil, effect } = setUp({ input: Input })
    await expect(counterfoil.perform(effect, { id: 'a', cents: -1 })).rejects.toBeInstanceOf(InvalidInputError)
    expect(service.calls).toBe(0)
  })

  it('never undo an outcome: a receipt that does not fit leaves the effect executed, and is not asked for again', async () => {
    const { service, counterfoil, effect } = setUp({ receipt: z.object({ id: z.string(), cents: z.literal(0) }) })
    for (let i = 0; i < 2; i++) {
      await expect(counterfoil.perform(effect, order)).rejects.toBeInstanceOf(InvalidReceiptError)
    }
    expect(service.calls).toBe(1)
  })
})

describe('settled', () => {
  it('runs once per outcome, after the outcome is recorded', async () => {
    const outcomes: unknown[] = []
    const { counterfoil, effect } = setUp({
      settled: (_tx, input, outcome) => void outcomes.push([input.id, outcome.kind]),
    })
    await counterfoil.perform(effect, order)
    await counterfoil.perform(effect, order)
    expect(outcomes).toEqual([['order-1', 'succeeded']])
  })

  it('cannot change an outcome, however it fails (P8)', async () => {
    const failures: unknown[] = []
    const { service, counterfoil, effect } = setUp(
      {
        settled: () => {
          throw new Error('constraint violated')
        },
      },
      { hooks: { onSettledFailed: (_identity, error) => failures.push(error) } },
    )
    const receipt = await counterfoil.perform(effect, order)
    expect(await counterfoil.perform(effect, order)).toEqual(receipt)
    expect(service.calls).toBe(1)
    expect(failures).toHaveLength(1)
  })

  it('does not keep the receipt from a caller when it hangs (P8)', async () => {
    const { counterfoil, effect } = setUp({ timeout: 50, settled: () => new Promise<void>(() => undefined) })
    await expect(counterfoil.perform(effect, order)).resolves.toMatchObject({ id: 'ch_1' })
  })
})
