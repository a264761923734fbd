import { expect, it } from 'vitest'
import { type Clock, inSteps, realClock } from './index.js'

/** A clock on which each step takes as long as is said, and what was slept on it. */
function setUp(stepsMs: readonly number[]) {
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
  let done = 0
  const step = async (): Promise<boolean> => {
    nowMs += stepsMs[done++] ?? 0
    return done < stepsMs.length
  }
  return { clock, slept, step, stepsDone: () => done }
}

it('rests after each step for as long as it took, and not after the last', async () => {
  const { clock, slept, step, stepsDone } = setUp([10, 40, 5])
  await inSteps(step, { clock })
  expect(stepsDone()).toBe(3)
  expect(slept).toEqual([10, 40])
})

it('rests a multiple of that where it is told to', async () => {
  const { clock, slept, step } = setUp([10, 40, 5])
  await inSteps(step, { clock, rests: 4 })
  expect(slept).toEqual([40, 160])
})

it('begins no further step once its signal has aborted, nor a first one', async () => {
  const { clock, step, stepsDone } = setUp([10, 10, 10])
  const stop = new AbortController()
  const sleep: Clock['sleep'] = async (_delayMs, signal) => {
    expect(signal).toBe(stop.signal)
    stop.abort()
  }
  await inSteps(step, { clock: { ...clock, sleep }, signal: stop.signal })
  expect(stepsDone()).toBe(1)
  await inSteps(step, { clock, signal: stop.signal })
  expect(stepsDone()).toBe(1)
})

it('ends with what a step throws', async () => {
  const { clock, slept } = setUp([])
  await expect(inSteps(() => Promise.reject(new Error('The database is down.')), { clock })).rejects.toThrow('down')
  expect(slept).toEqual([])
})
