import { describe, expect, it } from 'vitest'
import { Counterfoil, defineEffect } from '../engine/index.js'
import { MemoryJournal } from '../journal/memory/index.js'
import type { RetentionStore, RetentionTerms } from '../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../system/index.js'
import { type RetentionOptions, retentionOf, walk } from './index.js'

const OF = { namespace: 'default', effects: ['charge'] }
const TERMS: RetentionTerms = { ...OF, compactAfterMs: 1, purgeAfterMs: null }

/** A store of three places, which takes 10 ms for each on this clock. */
function slowStore() {
  let nowMs = 0
  const slept: number[] = []
  const clock: Clock = {
    ...realClock,
    monotonicMs: () => nowMs,
    sleep: async (delayMs) => {
      slept.push(delayMs)
      nowMs += delayMs
    },
  }
  const places: string[] = []
  const retention: RetentionStore = {
    begin: async (share) => `${share}`,
    step: async (_, place) => {
      places.push(place)
      nowMs += 10
      return { compacted: 2, purged: 1, next: places.length === 3 ? null : `place ${places.length}` }
    },
  }
  return { clock, retention, places, slept }
}

describe('a walk', () => {
  it('begins where the lot says, goes from place to place, and rests longer than it works', async () => {
    const { clock, retention, places, slept } = slowStore()
    const randomness = { ...realRandomness, next: () => 0.25 }
    expect(await walk({ retention }, TERMS, { clock, randomness, signal: undefined })).toEqual({
      compacted: 6,
      purged: 3,
    })
    expect(places).toEqual(['0.25', 'place 1', 'place 2'])
    expect(slept).toEqual([40, 40])
  })

  it.each<[RetentionOptions, string, number]>([
    [{ compactAfter: '1m' }, 'a minute', 60_000],
    [{ compactAfter: '10h', purgeAfter: '365d' }, 'a tenth of the shorter age', 3_600_000],
    [{ purgeAfter: '5d' }, 'a tenth of the only age', 43_200_000],
    [{ compactAfter: '365d' }, 'a day', 86_400_000],
  ])('comes after %o about every %s', (options, _words, everyMs) => {
    expect(retentionOf(options, OF)?.everyMs).toBe(everyMs)
  })
})

describe('the loop of a process', () => {
  /** A Counterfoil whose walks stop in their one step until they are told to go on. */
  function started(retention: RetentionOptions | undefined) {
    const charge = defineEffect({
      name: 'charge',
      key: (order: { readonly id: string }) => order.id,
      provider: { execute: async ({ id }) => ({ id }), cancel: async () => null, inDoubt: 'park' },
    })
    const slept: { readonly delayMs: number; readonly wake: () => void }[] = []
    const clock: Clock = {
      ...realClock,
      sleep: (delayMs, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) return resolve()
          const wake = (): void => {
            signal?.removeEventListener('abort', wake)
            resolve()
          }
          slept.push({ delayMs, wake })
          signal?.addEventListener('abort', wake)
        }),
    }
    const journal = new MemoryJournal({ clock: realClock })
    const asked: RetentionTerms[] = []
    let go: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => {
      Object.assign(journal.retention, {
        begin: async () => 'all',
        step: async (terms: RetentionTerms) => {
          asked.push(terms)
          if (asked.length === 1) throw new Error('out of reach')
          resolve()
          await new Promise<void>((done) => {
            go = done
          })
          return { compacted: 0, purged: 0, next: 'more' }
        },
      })
    })
    const errors: unknown[] = []
    const counterfoil = new Counterfoil({
      ...{ journal, effects: [charge], clock, pollInterval: 60_000 },
      hooks: { onError: (error: unknown) => errors.push(error) },
      ...(retention === undefined ? {} : { retention }),
    })
    return { counterfoil, slept, asked, arrived, errors, go: () => go() }
  }

  it('walks for its own effects and those that undo them, tells of trouble, and stops after the step under way', async () => {
    const { counterfoil, slept, asked, arrived, errors, go } = started({ compactAfter: '20h' })
    await counterfoil.start()
    let isHere = false
    void arrived.then(() => {
      isHere = true
    })
    while (!isHere) {
      for (const each of slept.filter(({ delayMs }) => delayMs > 60_000)) each.wake()
      await new Promise(setImmediate)
    }
    const pauses = slept.map(({ delayMs }) => delayMs).filter((delayMs) => delayMs > 60_000)
    expect(pauses.every((delayMs) => delayMs >= 3_600_000 && delayMs <= 7_200_000)).toBe(true)
    expect(errors).toHaveLength(1)
    expect(asked[1]).toMatchObject({
      ...{ namespace: 'default', effects: ['charge', 'charge/undo'] },
      ...{ compactAfterMs: 72_000_000, purgeAfterMs: null },
    })
    let isStopped = false
    const stopping = counterfoil.stop().then(() => {
      isStopped = true
    })
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
    expect(isStopped).toBe(false)
    go()
    await stopping
    expect(asked).toHaveLength(2)
  })

  it('walks nowhere without a retention', async () => {
    const { counterfoil, slept, asked } = started(undefined)
    await counterfoil.start()
    for (let turns = 0; turns < 20; turns++) {
      for (const each of slept) each.wake()
      await new Promise(setImmediate)
    }
    await counterfoil.stop()
    expect(asked).toEqual([])
  })
})
