import { describe, expect, it } from 'vitest'
import { MemoryJournal } from '../journal/memory/index.js'
import { ConfigurationError } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, type CounterfoilOptions } from './index.js'

function counterfoilWith(options: Partial<CounterfoilOptions<unknown>>): Counterfoil {
  return new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [], ...options })
}

describe('an option that makes no sense is refused before anything runs', () => {
  const counts = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '8' as unknown as number]
  const cases: readonly [Partial<CounterfoilOptions<unknown>>, RegExp][] = [
    ...counts.map((concurrency): [object, RegExp] => [{ concurrency }, /^concurrency is .*whole number from 1/]),
    ...counts.map((maxUnderWay): [object, RegExp] => [{ maxUnderWay }, /^maxUnderWay is .*whole number from 1/]),
    [{ pollInterval: 0 }, /^pollInterval is 0: it must be above 0/],
    [{ pollInterval: '0s' }, /^pollInterval is 0: it must be above 0/],
    [{ pollInterval: 0.4 }, /^pollInterval is 0: it must be above 0/],
    [{ pollInterval: Number.NaN }, /^pollInterval is NaN/],
    [{ settledTimeout: 0 }, /^settledTimeout is 0: it must be above 0/],
    [{ namespace: '' }, /^namespace has 0 characters/],
    [{ namespace: 'n'.repeat(513) }, /^namespace has 513 characters/],
    [{ namespace: 'shop\u0000' }, /^namespace holds U\+0000/],
    [{ namespace: 'shop\ud800' }, /^namespace holds U\+0000 or a lone surrogate/],
    [{ namespace: 7 as unknown as string }, /^namespace is of type number/],
  ]

  it.each(cases)('%o', (options, words) => {
    expect(() => counterfoilWith(options)).toThrow(ConfigurationError)
    expect(() => counterfoilWith(options)).toThrow(words)
  })

  it('and the least that makes sense is taken', () => {
    expect(() =>
      counterfoilWith({ concurrency: 1, maxUnderWay: 1, pollInterval: 1, settledTimeout: 1, namespace: 'n' }),
    ).not.toThrow()
  })
})
