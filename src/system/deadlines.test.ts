import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deadlines, type Due } from './deadlines.js'
import { realClock } from './real.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Who was told, in order. */
function hearing() {
  const heard: string[] = []
  const who = (name: string, besides: () => void = () => undefined): Due => ({
    onDue: () => {
      heard.push(name)
      besides()
    },
  })
  return { heard, who }
}

test('each is told at its time, and once', () => {
  const deadlines = new Deadlines(realClock)
  const { heard, who } = hearing()
  deadlines.after(300, who('third'))
  deadlines.after(100, who('first'))
  deadlines.at(realClock.monotonicMs() + 200, who('second'))
  vi.advanceTimersByTime(99)
  expect(heard).toEqual([])
  vi.advanceTimersByTime(1)
  expect(heard).toEqual(['first'])
  vi.advanceTimersByTime(1_000)
  expect(heard).toEqual(['first', 'second', 'third'])
})

test('who has left is not told, and the others are told at their time', () => {
  const deadlines = new Deadlines(realClock)
  const { heard, who } = hearing()
  const first = deadlines.after(100, who('first'))
  deadlines.after(200, who('second'))
  const third = deadlines.after(300, who('third'))
  deadlines.after(400, who('fourth'))
  deadlines.remove(first)
  deadlines.remove(third)
  deadlines.remove(third)
  vi.advanceTimersByTime(1_000)
  expect(heard).toEqual(['second', 'fourth'])
})

test('one that is told may call another off, or come again', () => {
  const deadlines = new Deadlines(realClock)
  const { heard, who } = hearing()
  deadlines.after(
    100,
    who('one', () => deadlines.remove(other)),
  )
  const other = deadlines.after(100, who('other'))
  const again = who('again', () => {
    if (heard.length < 4) deadlines.after(50, again)
  })
  deadlines.after(100, again)
  vi.advanceTimersByTime(1_000)
  expect(heard).toEqual(['one', 'again', 'again', 'again'])
})

test('a time that is over is told of, but not before the asker has gone on', () => {
  const deadlines = new Deadlines(realClock)
  const { heard, who } = hearing()
  deadlines.at(realClock.monotonicMs() - 1, who('late'))
  expect(heard).toEqual([])
  vi.advanceTimersByTime(1)
  expect(heard).toEqual(['late'])
})

test('one that throws takes nobody else his turn', () => {
  const deadlines = new Deadlines(realClock)
  const { heard, who } = hearing()
  const thrower = who('thrower', () => {
    throw new Error('of the application')
  })
  deadlines.after(100, thrower)
  deadlines.after(100, who('beside'))
  deadlines.after(200, who('later'))
  expect(() => vi.advanceTimersByTime(100)).toThrow('of the application')
  vi.advanceTimersByTime(1_000)
  expect(heard).toEqual(['thrower', 'beside', 'later'])
})

test('there is one timer for all, and none when nobody waits', () => {
  const deadlines = new Deadlines(realClock)
  const { who } = hearing()
  const all = Array.from({ length: 100 }, (_, i) => deadlines.after(1_000 + i, who(`${i}`)))
  expect(vi.getTimerCount()).toBe(1)
  for (const each of all) deadlines.remove(each)
  expect(vi.getTimerCount()).toBe(0)
})
