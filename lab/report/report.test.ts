import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Observation } from '../cell.js'
import { FAULTS } from '../faults/index.js'
import { notRun, type Result, resultOf } from '../result.js'
import { STRATEGIES } from '../strategies/index.js'
import { toJson } from './json.js'
import { Progress } from './progress.js'
import { toSvg } from './svg.js'
import { toSummary, toTable } from './table.js'

const HELD: Observation = {
  orders: 60,
  charges: 57,
  chargedTwice: 0,
  paidUnrecorded: 0,
  recordedUnpaid: 0,
  inDoubt: 0,
  parked: 0,
  repaired: 0,
  dropped: 0,
  crashes: 0,
  ordersPerSecond: 123,
  p50Ms: 45,
  p99Ms: 678,
}

/** All cells, each as theory expects it. */
function asPredicted(): Result[] {
  return STRATEGIES.flatMap((strategy) =>
    FAULTS.map((fault) => {
      const cell = { strategy, fault, orders: 60, seed: 1 }
      const clean = resultOf(cell, HELD)
      if (clean.asPredicted) return clean
      const all = [{ chargedTwice: 15 }, { repaired: 15 }, { parked: 8 }].map((harm) =>
        resultOf(cell, { ...HELD, ...harm }),
      )
      const expected = all.find((result) => result.asPredicted)
      if (expected === undefined) throw new Error(`${strategy.name} under ${fault.name} expects what no report shows.`)
      return expected
    }),
  )
}

const REDIS_LOCK = STRATEGIES.find(({ name }) => name === 'redis-lock')
const [NO_FAULT] = FAULTS
if (REDIS_LOCK === undefined || NO_FAULT === undefined) throw new Error('There is no redis-lock, or no fault.')
const NOT_RUN = notRun(
  { strategy: REDIS_LOCK, fault: NO_FAULT, orders: 60, seed: 1 },
  'No Redis <answers> & "none" is known.',
)

describe('toTable', () => {
  const lines = stripVTControlCharacters(toTable(asPredicted(), () => 'an idea')).split('\n')

  it('has a row for every cell, and below each that did not end well a line that says why', () => {
    expect(lines.filter((line) => /^ {2}[✓✗~?] /.test(line))).toHaveLength(STRATEGIES.length * FAULTS.length)
    const why = lines.findIndex((line) => line.includes('The gateway had forgotten the key'))
    expect(lines[why - 1]).toMatch(/✗ pruned-key +60 +57 +15 +0 +0 +0 +0 +123 +45 +678$/)
  })

  it('shows what was not run, and why', () => {
    const text = stripVTControlCharacters(toTable([NOT_RUN], () => 'an idea'))
    expect(text).toMatch(/- none( +-){10}/)
    expect(text).toContain('No Redis')
  })
})

describe('toSummary', () => {
  it('points at what theory does not expect, and at crashes', () => {
    const results = asPredicted()
    expect(toSummary(results)).not.toContain('Not as theory expects')
    const [first] = STRATEGIES
    const [, fault] = FAULTS
    if (first === undefined || fault === undefined) throw new Error('There are no cells.')
    const odd = resultOf({ strategy: first, fault, orders: 60, seed: 1 }, { ...HELD, crashes: 1 })
    expect(toSummary([...results, odd])).toContain(
      'Not as theory expects: naive (none) under duplicate-delivery is clean',
    )
    expect(toSummary([...results, odd])).toContain('A worker crashed: naive')
  })
})

describe('toJson', () => {
  it('is an array of flat objects with exactly the documented fields', () => {
    const rows: unknown = JSON.parse(toJson([...asPredicted(), NOT_RUN]))
    if (!Array.isArray(rows)) throw new Error('It is no array.')
    expect(rows).toHaveLength(STRATEGIES.length * FAULTS.length + 1)
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(
        'strategy gateway fault orders charges chargedTwice paidUnrecorded recordedUnpaid inDoubt parked ordersPerSecond p50Ms p99Ms why'.split(
          ' ',
        ),
      )
    }
    expect(rows.at(-1)).toMatchObject({ strategy: 'redis-lock', orders: null, chargedTwice: null })
  })
})

describe('toSvg', () => {
  const svg = toSvg([...asPredicted().filter((result) => result.strategy !== 'redis-lock'), NOT_RUN])

  it('is well-formed XML', () => {
    expect(unbalancedTags(svg)).toEqual([])
    expect(svg.replaceAll(/&(amp|lt|gt|quot);/g, '')).not.toContain('&')
  })

  it('says in words what it shows, as a whole and for every cell', () => {
    expect(svg).toMatch(/role="img" aria-labelledby="title description"/)
    expect(svg).toMatch(/<title id="title">.+<\/title>/)
    expect(svg).toMatch(/<desc id="description">.+<\/desc>/)
    expect(svg.match(/<g><title>/g)).toHaveLength((STRATEGIES.length - 1) * FAULTS.length + 1)
    expect(svg).toContain('No Redis &lt;answers&gt; &amp; &quot;none&quot; is known.')
  })

  it('has every colour that it uses in light and in dark, and none that a reader needs alone', () => {
    const [light, dark] = svg.split('prefers-color-scheme: dark')
    for (const [, name] of svg.matchAll(/var\((--[a-z-]+)\)/g)) {
      expect(light).toContain(`${name}:`)
      expect(dark).toContain(`${name}:`)
    }
    for (const word of ['once', 'charged twice', 'refunded later', 'parked', 'not run'])
      expect(svg).toContain(`>${word}<`)
  })

  it.each([
    ['light', 0],
    ['dark', 1],
  ] as const)('has text that stands out from its ground by 4.5 : 1 in %s', (_mode, scheme) => {
    const colours = coloursOf(svg.split('prefers-color-scheme: dark')[scheme] ?? '')
    for (const [ink, ground] of [
      ['ink', 'paper'],
      ['faint', 'paper'],
      ['held-ink', 'held'],
      ['harm-ink', 'harm'],
      ['mended-ink', 'mended'],
      ['waits-ink', 'waits'],
    ] as const) {
      expect(contrast(colours.get(ink), colours.get(ground)), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5)
    }
  })

  it('draws a table of one cell', () => {
    expect(unbalancedTags(toSvg([NOT_RUN]))).toEqual([])
  })
})

describe('Progress', () => {
  it('changes one line on a terminal, no longer than it is wide, and writes lines elsewhere', () => {
    const written: string[] = []
    const write = (text: string): number => written.push(text)
    const terminal = new Progress({ isTTY: true, columns: 20, write })
    terminal.note(NOT_RUN, 1, 110)
    terminal.end()
    expect(written.map((text) => stripVTControlCharacters(text))).toEqual(['\r[  1/110] redis-loc', '\r'])
    written.length = 0
    const file = new Progress({ write })
    file.note(NOT_RUN, 1, 110)
    file.end()
    expect(written).toEqual(['[  1/110] redis-lock (none), none: not run\n'])
  })
})

/** Tags that are opened and not closed, or closed and not opened. */
function unbalancedTags(xml: string): string[] {
  const open: string[] = []
  const wrong: string[] = []
  for (const [, closing, name = '', selfClosing] of xml.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (selfClosing === '/') continue
    if (closing !== '/') open.push(name)
    else if (open.pop() !== name) wrong.push(name)
  }
  return [...wrong, ...open]
}

function coloursOf(css: string): Map<string, string> {
  return new Map([...css.matchAll(/--([a-z-]+): (#[0-9a-f]{6})/g)].map(([, name = '', value = '']) => [name, value]))
}

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string | undefined, other: string | undefined): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (lighter + 0.05) / (darker + 0.05)
}

function luminance(colour = '#000000'): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
