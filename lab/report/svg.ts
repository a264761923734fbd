import { FAULTS } from '../faults/index.js'
import type { Result } from '../result.js'
import { isCounterfoil } from '../strategy.js'
import { sum } from './sums.js'

type Tone = 'harm' | 'held' | 'mended' | 'not-run' | 'waits'

const TONES: Readonly<Record<Result['verdict'], Tone>> = {
  clean: 'held',
  'charged-twice': 'harm',
  'paid-unrecorded': 'harm',
  'recorded-unpaid': 'harm',
  dropped: 'harm',
  repaired: 'mended',
  'in-doubt': 'waits',
  parked: 'waits',
  'not-run': 'not-run',
}

/** Sizes in user units. */
const MARGIN = 28
const LABEL_WIDTH = 184
const CELL = { width: 90, height: 48, gap: 6 }
const HEAD = { top: 92, height: 64, lineHeight: 16, charactersPerLine: 13 }
/** Between the other strategies and counterfoil. */
const GROUP_GAP = 16
const LEGEND_HEIGHT = 92

/** Light by default, dark where the reader's system is: an SVG in a page follows the reader's setting by itself. */
const STYLE = `
  :root { --paper: #ffffff; --ink: #1b1f24; --faint: #57606a; --line: #d8dee4;
    --held: #e3f4ea; --held-ink: #0b6b3a; --harm: #b42318; --harm-ink: #ffffff;
    --mended: #f9d98c; --mended-ink: #5a3d00; --waits: #cfe1fb; --waits-ink: #0b3f8a; }
  @media (prefers-color-scheme: dark) { :root { --paper: #0f1318; --ink: #e8edf2; --faint: #9aa5b1; --line: #2c343d;
    --held: #12301f; --held-ink: #7fdca4; --harm: #d6402f; --harm-ink: #ffffff;
    --mended: #6b4c05; --mended-ink: #ffe3a1; --waits: #143a6e; --waits-ink: #b9d6ff; } }
  text { font-family: ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: var(--ink); }
  .paper { fill: var(--paper); } .faint { fill: var(--faint); } .rule { stroke: var(--line); }
  .title { font-size: 21px; font-weight: 650; } .subtitle { font-size: 14px; }
  .head { font-size: 12.5px; } .row { font-size: 13.5px; font-weight: 600; } .level { font-size: 12px; }
  .count { font-size: 19px; font-weight: 700; } .word { font-size: 11.5px; } .legend { font-size: 13px; }
  .held { fill: var(--held); } .held-ink { fill: var(--held-ink); } .harm { fill: var(--harm); } .harm-ink { fill: var(--harm-ink); }
  .mended { fill: var(--mended); } .mended-ink { fill: var(--mended-ink); } .waits { fill: var(--waits); } .waits-ink { fill: var(--waits-ink); }
  .not-run { fill: none; stroke: var(--line); stroke-dasharray: 4 3; } .not-run-ink { fill: var(--faint); }`

/** The heat map: a row for each strategy, a column for each fault. A picture that needs nothing but itself. */
export function toSvg(results: readonly Result[]): string {
  const rows = groupByRow(results)
  const columns = FAULTS.filter((fault) => results.some((result) => result.fault === fault.name))
  const width = Math.max(2 * MARGIN + LABEL_WIDTH + columns.length * (CELL.width + CELL.gap) - CELL.gap, 720)
  const tops = rowTops(rows)
  const bottom = (tops.at(-1) ?? HEAD.top + HEAD.height) + CELL.height
  const height = bottom + LEGEND_HEIGHT
  const parts = [
    `<title id="title">Who is charged twice: ways to charge an order once, under faults</title>`,
    `<desc id="description">${escapeXml(description(results))}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${width}" height="${height}" rx="12"/>`,
    text(MARGIN, 44, 'title', 'Who is charged twice?'),
    text(MARGIN, 68, 'subtitle faint', subtitle(results)),
    ...columns.map((fault, column) => heading(fault.title, left(column))),
    ...rows.flatMap((row, index) => drawRow(row, columns, tops[index] ?? 0)),
    ...legend(bottom + 22, width),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">\n${parts.join('\n')}\n</svg>\n`
}

interface Row {
  readonly strategy: string
  readonly gateway: string
  readonly results: readonly Result[]
}

function groupByRow(results: readonly Result[]): Row[] {
  const rows = new Map<string, { strategy: string; gateway: string; results: Result[] }>()
  for (const result of results) {
    const { strategy, gateway } = result
    const row = rows.get(`${strategy}/${gateway}`)
    if (row === undefined) rows.set(`${strategy}/${gateway}`, { strategy, gateway, results: [result] })
    else row.results.push(result)
  }
  return [...rows.values()]
}

function rowTops(rows: readonly Row[]): number[] {
  let top = HEAD.top + HEAD.height
  return rows.map((row, index) => {
    if (index > 0) top += CELL.height + CELL.gap
    if (index > 0 && isCounterfoil(row.strategy) && !isCounterfoil(rows[index - 1]?.strategy ?? '')) top += GROUP_GAP
    return top
  })
}

function left(column: number): number {
  return MARGIN + LABEL_WIDTH + column * (CELL.width + CELL.gap)
}

function heading(title: string, x: number): string {
  const lines = wrap(title, HEAD.charactersPerLine)
  const first = HEAD.top + HEAD.height - 10 - (lines.length - 1) * HEAD.lineHeight
  return lines
    .map((line, index) => text(x + CELL.width / 2, first + index * HEAD.lineHeight, 'head', line, 'middle'))
    .join('')
}

function drawRow(row: Row, columns: readonly { readonly name: string }[], top: number): string[] {
  const label = [
    text(MARGIN, top + 21, 'row', row.strategy),
    text(MARGIN, top + 38, 'level faint', LEVELS[row.gateway] ?? row.gateway),
  ]
  const cells = columns.flatMap(({ name }, column) => {
    const result = row.results.find((each) => each.fault === name)
    return result === undefined ? [] : [drawCell(result, left(column), top)]
  })
  return [...label, ...cells]
}

const LEVELS: Readonly<Record<string, string>> = {
  keys: 'gateway with keys',
  lookup: 'gateway with look-up',
  none: 'gateway with neither',
}

function drawCell(result: Result, x: number, top: number): string {
  const tone = TONES[result.verdict]
  const { count, word } = inside(result)
  const centre = x + CELL.width / 2
  const inset = tone === 'not-run' ? 0.75 : 0
  const box = `<rect class="${tone}" x="${x + inset}" y="${top + inset}" width="${CELL.width - 2 * inset}" height="${CELL.height - 2 * inset}" rx="7"/>`
  const words = [
    text(centre, top + 23, `count ${tone}-ink`, count, 'middle'),
    text(centre, top + 39, `word ${tone}-ink`, word, 'middle'),
  ]
  return `<g><title>${escapeXml(sentence(result))}</title>${box}${words.join('')}</g>`
}

function inside({ observed, verdict }: Result): { readonly count: string; readonly word: string } {
  switch (verdict) {
    case 'clean':
      return { count: '✓', word: 'once' }
    case 'charged-twice':
      return { count: String(observed?.chargedTwice), word: 'charged twice' }
    case 'paid-unrecorded':
      return { count: String(observed?.paidUnrecorded), word: 'not recorded' }
    case 'recorded-unpaid':
      return { count: String(observed?.recordedUnpaid), word: 'not paid' }
    case 'dropped':
      return { count: String(observed?.dropped), word: 'dropped' }
    case 'repaired':
      return { count: String(observed?.repaired), word: 'refunded later' }
    case 'in-doubt':
      return { count: String(observed?.inDoubt), word: 'in doubt' }
    case 'parked':
      return { count: String(observed?.parked), word: 'parked' }
    case 'not-run':
      return { count: '–', word: 'not run' }
  }
}

function sentence(result: Result): string {
  const { count, word } = inside(result)
  const orders = result.observed === null ? '' : ` of ${result.observed.orders} orders`
  const what =
    result.verdict === 'clean'
      ? `held${orders === '' ? '' : `, ${result.observed?.orders} orders`}`
      : `${count}${orders} ${word}`
  return `${result.strategy} on gateway level ${result.gateway}, ${result.fault}: ${what}. ${result.why}`.trim()
}

const LEGEND: readonly { readonly tone: Tone; readonly sign: string; readonly words: string }[] = [
  { tone: 'held', sign: '✓', words: 'charged once, and the books agree' },
  { tone: 'harm', sign: 'n', words: 'customers out of money, or books that are wrong' },
  { tone: 'mended', sign: 'n', words: 'charged twice, refunded by a later audit' },
  { tone: 'waits', sign: 'n', words: 'known to be unknown: waits for a person or an audit' },
]

function legend(top: number, width: number): string[] {
  const each = (width - 2 * MARGIN) / LEGEND.length
  const entries = LEGEND.flatMap(({ tone, sign, words }, index) => {
    const x = MARGIN + index * each
    const lines = wrap(words, Math.floor((each - 48) / 6.4))
    return [
      `<rect class="${tone}" x="${x}" y="${top + 16}" width="30" height="30" rx="6"/>`,
      text(x + 15, top + 37, `count ${tone}-ink`, sign, 'middle'),
      ...lines.map((line, place) =>
        text(x + 40, top + 36 + (place - (lines.length - 1) / 2) * 16, 'legend faint', line),
      ),
    ]
  })
  return [`<line class="rule" x1="${MARGIN}" y1="${top}" x2="${width - MARGIN}" y2="${top}"/>`, ...entries]
}

function subtitle(results: readonly Result[]): string {
  const orders = Math.min(...results.flatMap(({ observed }) => observed?.orders ?? []))
  return `Each cell: ${Number.isFinite(orders) ? orders : 0} orders or more, real worker processes, a real database, and the gateway's own books when all has come to rest.`
}

function description(results: readonly Result[]): string {
  const ours = results.filter(({ strategy }) => isCounterfoil(strategy))
  const others = results.filter(({ strategy }) => !isCounterfoil(strategy))
  const harmed = others.filter((result) => TONES[result.verdict] === 'harm').length
  return (
    `A heat map of strategies (rows) and faults (columns). Of ${others.length} cells of other strategies, ${harmed} end with ` +
    `harm: ${sum(others, 'chargedTwice')} orders are charged twice. In ${ours.length} cells of counterfoil ` +
    `${sum(ours, 'chargedTwice')} orders are charged twice, ${sum(ours, 'paidUnrecorded')} are paid but unrecorded, ` +
    `${sum(ours, 'recordedUnpaid')} are recorded but unpaid, and ${sum(ours, 'parked')} are parked.`
  )
}

function text(x: number, y: number, className: string, content: string, anchor: 'middle' | 'start' = 'start'): string {
  return `<text class="${className}" x="${x}" y="${y}"${anchor === 'middle' ? ' text-anchor="middle"' : ''}>${escapeXml(content)}</text>`
}

function wrap(words: string, charactersPerLine: number): string[] {
  const lines: string[] = []
  for (const word of words.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= charactersPerLine)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function escapeXml(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
