import { describe, expect, it } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import {
  EffectInDoubt,
  EffectNotBegun,
  type Entry,
  JournalError,
  KeyReuseError,
  NotExecuted,
} from '../protocol/index.js'
import { Counterfoil, type CounterfoilOptions, defineEffect } from './index.js'
import { VirtualClock } from './virtual-clock.fixture.js'

const SECOND = 1_000
const HOUR = 3_600_000

interface Order {
  readonly id: string
}

const LOST = new JournalError('The connection was lost.', { transient: true })

function setUp(options: Partial<CounterfoilOptions<unknown>> = {}) {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ clock })
  const called: string[] = []
  /** What the service does with a call, by its key. */
  const does = new Map<string, () => Promise<void>>()
  const effect = defineEffect<Order, Order>({
    name: 'pay',
    key: ({ id }) => id,
    timeout: '2s',
    leaseGrace: '1s',
    provider: {
      idempotencyKey: { window: '7d' },
      execute: async (order) => {
        called.push(order.id)
        await does.get(order.id)?.()
        return order
      },
    },
  })
  const counterfoil = new Counterfoil({ journal, effects: [effect], clock, ...options }) as Counterfoil
  const pay = (id: string, wait: number) => {
    const paid = counterfoil.perform(effect, { id }, { wait })
    return paid.then(
      () => null,
      (error: unknown) => error,
    )
  }
  /** Once nothing is left to do without a wait, for so long. */
  const answered = async <T>(answer: Promise<T>, withinMs: number): Promise<T> => {
    let isThere = false
    void answer.then(() => {
      isThere = true
    })
    expect(await clock.passUntil(() => isThere, withinMs)).toBe(true)
    return answer
  }
  const entryOf = async (error: unknown): Promise<Entry | undefined> => {
    if (!(error instanceof EffectInDoubt) && !(error instanceof EffectNotBegun)) return expect.unreachable()
    return (await journal.read([error.identity.id]))[0]?.entry
  }
  return { clock, journal, called, does, counterfoil, effect, pay, answered, entryOf }
}

describe('a caller who no longer waits', () => {
  it('is never told that a resolver goes on, while the journal has not confirmed that it knows of the effect', async () => {
    const { journal, pay, answered, called } = setUp()
    const begin = journal.beginAndWrite.bind(journal)
    journal.beginAndWrite = async (items, writes) => {
      await begin(items, writes)
      throw LOST
    }
    const error = await answered(pay('o1', SECOND), 2 * SECOND)
    expect(error).toBeInstanceOf(JournalError)
    expect(error).toMatchObject({
      cause: LOST,
      message: expect.stringMatching(/may have been written down.*no other means/),
    })
    expect(called).toEqual([])
  })

  it('has nothing begun for him once the journal is back', async () => {
    const { clock, journal, pay, answered, called } = setUp()
    const begin = journal.beginAndWrite.bind(journal)
    let begun = 0
    journal.beginAndWrite = async () => Promise.reject(LOST)
    expect(await answered(pay('o1', SECOND), 2 * SECOND)).toBeInstanceOf(JournalError)
    journal.beginAndWrite = (items, writes) => {
      begun += items.length
      return begin(items, writes)
    }
    await clock.pass(HOUR)
    expect({ begun, called }).toEqual({ begun: 0, called: [] })
    expect(await answered(pay('o1', SECOND), SECOND)).toBe(null)
  })

  it('is told that nothing was sent where others had all places, and nothing is', async () => {
    const { clock, does, pay, answered, called, entryOf } = setUp({ maxUnderWay: 1 })
    does.set('slow', () => clock.sleep(1.5 * SECOND))
    const slow = pay('slow', HOUR)
    const error = await answered(pay('o1', SECOND), 2 * SECOND)
    expect(error).toBeInstanceOf(EffectNotBegun)
    expect(await answered(slow, 2 * SECOND)).toBe(null)
    await clock.pass(HOUR)
    expect(called).toEqual(['slow'])
    expect(await entryOf(error)).toBeUndefined()
    expect(await answered(pay('o1', SECOND), SECOND)).toBe(null)
  })

  it('leaves the place in the line to another who waits for the same', async () => {
    const { clock, does, pay, answered, called } = setUp({ maxUnderWay: 1 })
    does.set('slow', () => clock.sleep(1.5 * SECOND))
    void pay('slow', HOUR)
    const [first, second] = [pay('o1', SECOND), pay('o1', HOUR)]
    expect(await answered(first, 2 * SECOND)).toBeInstanceOf(EffectNotBegun)
    expect(await answered(second, 2 * SECOND)).toBe(null)
    expect(called).toEqual(['slow', 'o1'])
  })

  it('has nothing looked for, nor called, on his behalf', async () => {
    const { clock, journal, does, pay, answered, called, entryOf } = setUp()
    does.set('o1', () => Promise.reject(new NotExecuted('busy', 'Later.', { retryAfterMs: HOUR })))
    const error = await answered(pay('o1', SECOND), 2 * SECOND)
    expect(error).toBeInstanceOf(EffectInDoubt)
    const looks: string[] = []
    const look = journal.await.bind(journal)
    journal.await = (ids) => {
      looks.push(...ids)
      return look(ids)
    }
    await clock.pass(3 * HOUR)
    // One that was under way when he left.
    expect(looks.length).toBeLessThanOrEqual(1)
    expect(called).toEqual(['o1'])
    expect(await entryOf(error)).toMatchObject({ state: 'pending', attempts: 1 })
  })
})

describe('a process that is to end', () => {
  it('waits for the outcome of a call while the journal cannot be reached, longer than any lease', async () => {
    const { clock, journal, counterfoil, pay, called } = setUp()
    const write = journal.write.bind(journal)
    journal.write = async () => Promise.reject(LOST)
    void pay('o1', HOUR)
    await clock.passUntil(() => called.length === 1, SECOND)
    let hasStopped = false
    void counterfoil.stop().then(() => {
      hasStopped = true
    })
    expect(await clock.passUntil(() => hasStopped, 60 * SECOND)).toBe(false)
    journal.write = write
    expect(await clock.passUntil(() => hasStopped, 10 * SECOND)).toBe(true)
  })
})

describe('an outcome that is known', () => {
  it('is written down also after an error that seemed to be for good', async () => {
    const { journal, pay, answered } = setUp()
    const write = journal.write.bind(journal)
    journal.write = async () => {
      journal.write = write
      throw new JournalError('The password was changed.', { transient: false })
    }
    expect(await answered(pay('o1', HOUR), 10 * SECOND)).toBe(null)
  })

  it('is a doubt at once where the journal refuses what it holds', async () => {
    const { journal, pay, answered } = setUp()
    journal.write = async () => Promise.reject(new JournalError('No such text.', { refused: true }))
    expect(await answered(pay('o1', HOUR), SECOND)).toBeInstanceOf(EffectInDoubt)
  })
})

describe('callers of one key at nearly one time', () => {
  function setUpHanging() {
    const all = setUp()
    let release = (): void => undefined
    all.does.set('o1', () => new Promise((resolve) => (release = resolve)))
    return { ...all, release: () => release() }
  }

  it('share a promise where they wait alike, and have one of their own where not', async () => {
    const { clock, counterfoil, effect, release } = setUpHanging()
    const ask = (wait: number, signal?: AbortSignal) =>
      counterfoil.perform(effect, { id: 'o1' }, { wait, ...(signal === undefined ? {} : { signal }) })
    const first = ask(HOUR)
    expect(ask(HOUR)).toBe(first)
    expect(ask(2 * HOUR)).not.toBe(first)
    expect(ask(HOUR, new AbortController().signal)).not.toBe(first)
    await clock.pass(SECOND)
    release()
    await clock.pass(SECOND)
    await expect(first).resolves.toEqual({ id: 'o1' })
  })

  it('give up no more than a hundredth of their wait too early, and never too late', async () => {
    const { clock, pay, release } = setUpHanging()
    const gaveUpAtMs: number[] = []
    const askAndNote = () => pay('o1', 1_000).then(() => gaveUpAtMs.push(clock.monotonicMs()))
    for (const pauseMs of [0, 5, 5, 5]) {
      await clock.pass(pauseMs)
      void askAndNote()
    }
    await clock.pass(1_500)
    expect(gaveUpAtMs).toEqual([1_000, 1_000, 1_000, 1_015])
    release()
  })

  it('are each answered by what they asked for: another input is a reuse of the key', async () => {
    const { clock, counterfoil, effect, release } = setUpHanging()
    const first = counterfoil.perform(effect, { id: 'o1' })
    const other = counterfoil.perform(effect, { id: 'o1', cents: 2 } as Order)
    const refused = expect(other).rejects.toBeInstanceOf(KeyReuseError)
    await clock.pass(SECOND)
    release()
    await clock.pass(SECOND)
    await expect(first).resolves.toEqual({ id: 'o1' })
    await refused
  })
})
