import { describe, expect, it } from 'vitest'
import { ConfigurationError, type Duration, toMs } from './index.js'

describe('a duration', () => {
  it.each<[Duration, number]>([
    [0, 0],
    [1_500, 1_500],
    ['250ms', 250],
    ['0s', 0],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%j is %d ms', (duration, expected) => {
    expect(toMs(duration, 'timeout')).toBe(expected)
  })

  it('is a whole number of milliseconds', () => {
    expect(toMs('1.001s', 'timeout')).toBe(1_001)
    expect(toMs(0.4, 'timeout')).toBe(0)
    expect(toMs(999.6, 'timeout')).toBe(1_000)
  })

  it.each([
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '-5s',
    '',
    's',
    '30',
    '30 s',
    '1e3s',
    '1w',
    '1y',
    'soon',
    `${'9'.repeat(400)}d`,
    null,
    undefined,
    10n,
    {},
    ['5s'],
  ])('%o is refused by an error that names the option', (duration) => {
    const convert = () => toMs(duration as unknown as Duration, 'charge-order: timeout')
    expect(convert).toThrow(ConfigurationError)
    expect(convert).toThrow(/^charge-order: timeout is .*: give milliseconds or a text such as/s)
  })
})
