import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Clock, realClock } from '../system/index.js'
import { Batcher } from './batcher.js'

/** A clock whose timers fire when the test says so. */
function stageClock(): { readonly clock: Clock; fire(): void; readonly pending: number } {
  const timers = new Set<() => void>()
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    sleep: () => new Promise(() => undefined),
    schedule: (_delayMs, callback) => {
      timers.add(callback)
      return () => timers.delete(callback)
    },
    nextTurn: (callback) => realClock.nextTurn(callback),
  }
  return {
    clock,
    fire: () => {
      for (const timer of [...timers]) {
        timers.delete(timer)
        timer()
      }
    },
    get pending() {
      return timers.size
    },
  }
}

/** Batches that end when the test says so. */
function stage(maxUnderWay = 3) {
  const time = stageClock()
  const batches: { readonly items: readonly string[]; readonly end: () => void }[] = []
  const batcher = new Batcher<string, string>(
    (items) =>
      new Promise((resolve) => batches.push({ items, end: () => resolve(items.map((each) => each.toUpperCase())) })),
    { clock: time.clock, maxItems: 10, besideItems: 5, stallMs: 50, maxUnderWay },
  )
  const taken = () => batches.map(({ items }) => items.join(''))
  return { time, batches, batcher, taken }
}

/** Until what the batcher has put off to the next turn is done, also where it did so in this one. */
async function turn(): Promise<void> {
  await setImmediate()
  await setImmediate()
}

describe('a batcher', () => {
  it('sends a lone item at once, and forms the next batch while the last is under way', async () => {
    const { batcher, batches, taken, time } = stage()
    const first = batcher.add('a')
    await turn()
    expect(time.pending).toBe(0)
    const others = ['b', 'c', 'd'].map((each) => batcher.add(each))
    await turn()
    expect(taken()).toEqual(['a'])
    batches[0]?.end()
    expect(await first).toBe('A')
    await turn()
    expect(taken()).toEqual(['a', 'bcd'])
    batches[1]?.end()
    expect(await Promise.all(others)).toEqual(['B', 'C', 'D'])
  })

  it('lets all share a batch that have come in one turn, also after the first of them', async () => {
    const { batcher, batches, taken } = stage()
    const first = batcher.add('a')
    await Promise.resolve()
    const second = batcher.add('b')
    await turn()
    expect(taken()).toEqual(['ab'])
    batches[0]?.end()
    const third = first.then(() => batcher.add('c'))
    const fourth = second.then(async () => {
      for (let microtasks = 0; microtasks < 20; microtasks++) await null
      return batcher.add('d')
    })
    await turn()
    expect(taken()).toEqual(['ab', 'cd'])
    batches[1]?.end()
    expect(await Promise.all([third, fourth])).toEqual(['C', 'D'])
  })

  it('lets the next batch go beside one that waits for a locked row, so that one key delays no other', async () => {
    const { batcher, batches, taken, time } = stage()
    const stuck = batcher.add('a')
    await turn()
    const other = batcher.add('b')
    await turn()
    expect(taken()).toEqual(['a'])
    time.fire()
    await turn()
    expect(taken()).toEqual(['a', 'b'])
    batches[1]?.end()
    expect(await other).toBe('B')
    const third = batcher.add('c')
    await turn()
    expect(taken()).toEqual(['a', 'b', 'c'])
    batches[2]?.end()
    batches[0]?.end()
    expect(await Promise.all([third, stuck])).toEqual(['C', 'A'])
    expect(time.pending).toBe(0)
  })

  it('sends a second batch beside the first where many wait, and no third', async () => {
    const { batcher, batches, taken, time } = stage()
    const all = [batcher.add('a')]
    await turn()
    for (const each of 'bcde') all.push(batcher.add(each))
    await turn()
    expect(taken()).toEqual(['a'])
    all.push(batcher.add('f'))
    await turn()
    expect(taken()).toEqual(['a', 'bcdef'])
    for (const each of 'ghijkl') all.push(batcher.add(each))
    await turn()
    expect(taken()).toEqual(['a', 'bcdef'])
    batches[1]?.end()
    await turn()
    expect(taken()).toEqual(['a', 'bcdef', 'ghijkl'])
    batches[0]?.end()
    batches[2]?.end()
    expect((await Promise.all(all)).join('')).toBe('ABCDEFGHIJKL')
    expect(time.pending).toBe(0)
  })

  it('lets nobody wait for a stalled batch that has another beside it', async () => {
    const { batcher, batches, taken, time } = stage()
    const all = [batcher.add('a')]
    await turn()
    for (const each of 'bcdef') all.push(batcher.add(each))
    await turn()
    all.push(batcher.add('g'))
    await turn()
    expect(taken()).toEqual(['a', 'bcdef'])
    batches[1]?.end()
    await turn()
    expect(taken()).toEqual(['a', 'bcdef'])
    time.fire()
    await turn()
    expect(taken()).toEqual(['a', 'bcdef', 'g'])
    batches[2]?.end()
    batches[0]?.end()
    expect((await Promise.all(all)).join('')).toBe('ABCDEFG')
    expect(time.pending).toBe(0)
  })

  it('takes no more connections than it may, however many batches wait', async () => {
    const { batcher, batches, taken, time } = stage(2)
    const all = ['a', 'b', 'c'].map(async (each) => {
      const done = batcher.add(each)
      await turn()
      time.fire()
      await turn()
      return done
    })
    await turn()
    await turn()
    await turn()
    expect(taken().length).toBeLessThanOrEqual(2)
    while (batches.length > 0) {
      batches.shift()?.end()
      await turn()
    }
    expect((await Promise.all(all)).sort()).toEqual(['A', 'B', 'C'])
  })
})
