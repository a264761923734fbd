import Table from 'cli-table3'
import pc from 'picocolors'
import type { Result } from '../result.js'
import { isCounterfoil } from '../strategy.js'
import type { VerdictClass } from '../verdict.js'
import { sum } from './sums.js'

const HEADINGS = [
  'fault',
  'orders',
  'charges',
  'charged\ntwice',
  'paid but\nunrecorded',
  'recorded\nbut unpaid',
  'in\ndoubt',
  'parked',
  'orders/s',
  'p50 ms',
  'p99 ms',
]

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** The table: the rows of one strategy under its name, and below each row that did not end well, why. */
export function toTable(results: readonly Result[], ideas: (result: Result) => string): string {
  const table = new Table({
    head: HEADINGS.map((heading) => pc.dim(heading)),
    colAligns: ['left', ...HEADINGS.slice(1).map(() => 'right' as const)],
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  let row = ''
  for (const result of results) {
    const name = `${result.strategy} (gateway: ${result.gateway})`
    if (name !== row) {
      row = name
      table.push(
        [wide('')],
        [wide(`${pc.bold(result.strategy)} ${pc.dim(`on gateway level ${result.gateway}: ${ideas(result)}`)}`)],
      )
    }
    table.push(cellsOf(result))
    if (result.why !== '') table.push([wide(`    ${pc.dim(`└ ${result.why}`)}`)])
  }
  return table.toString().replaceAll(/ +$/gm, '')
}

function wide(content: string) {
  return { colSpan: HEADINGS.length, content, hAlign: 'left' as const }
}

const TONES: Readonly<Record<Result['verdict'], (text: string) => string>> = {
  clean: pc.green,
  'charged-twice': pc.red,
  'paid-unrecorded': pc.red,
  'recorded-unpaid': pc.red,
  dropped: pc.red,
  repaired: pc.yellow,
  'in-doubt': pc.cyan,
  parked: pc.cyan,
  'not-run': pc.dim,
}

/** A sign beside the colour, for those who do not see it. */
const SIGNS: Readonly<Record<VerdictClass | 'not-run', string>> = {
  clean: '✓',
  'charged-twice': '✗',
  'paid-unrecorded': '✗',
  'recorded-unpaid': '✗',
  dropped: '✗',
  repaired: '~',
  'in-doubt': '?',
  parked: '?',
  'not-run': '-',
}

function cellsOf({ fault, observed, verdict }: Result): string[] {
  const name = `  ${TONES[verdict](SIGNS[verdict])} ${fault}`
  if (observed === null) return [name, ...HEADINGS.slice(1).map(() => pc.dim('-'))]
  return [
    name,
    String(observed.orders),
    observed.charges > observed.orders || observed.repaired > 0
      ? pc.yellow(String(observed.charges))
      : String(observed.charges),
    loud(observed.chargedTwice, pc.red),
    loud(observed.paidUnrecorded, pc.red),
    loud(observed.recordedUnpaid, pc.red),
    loud(observed.inDoubt, pc.cyan),
    loud(observed.parked, pc.cyan),
    String(observed.ordersPerSecond),
    String(observed.p50Ms),
    String(observed.p99Ms),
  ]
}

function loud(count: number, tone: (text: string) => string): string {
  return count === 0 ? pc.dim('0') : pc.bold(tone(String(count)))
}

/** What it comes to, in a few lines. */
export function toSummary(results: readonly Result[]): string {
  const ours = results.filter(({ strategy }) => isCounterfoil(strategy))
  const others = results.filter(({ strategy }) => !isCounterfoil(strategy))
  const lines: string[] = []
  if (others.length > 0) {
    const harmed = others.filter(({ verdict }) => verdict !== 'clean' && verdict !== 'not-run')
    lines.push(
      `Other strategies: ${harmed.length} of ${others.length} cells did not hold; ` +
        `${sum(others, 'chargedTwice')} customers were charged twice, ${sum(others, 'repaired')} more until an audit refunded them.`,
    )
  }
  if (ours.length > 0) {
    lines.push(
      `counterfoil: ${ours.length} cells, ${sum(ours, 'chargedTwice')} customers charged twice, ` +
        `${sum(ours, 'paidUnrecorded')} paid but unrecorded, ${sum(ours, 'recordedUnpaid')} recorded but unpaid, ` +
        `${sum(ours, 'dropped')} dropped; ${sum(ours, 'parked')} parked.`,
    )
    if (sum(ours, 'parked') > 0) {
      lines.push(
        'Parked: the gateway of level none honours no key and cannot be asked, so that nobody can know. A person or an ' +
          'audit settles it; nothing is guessed.',
      )
    }
  }
  const surprises = results.filter((result) => !result.asPredicted)
  for (const { strategy, gateway, fault, verdict } of surprises) {
    lines.push(`Not as theory expects: ${strategy} (${gateway}) under ${fault} is ${verdict}.`)
  }
  for (const { strategy, gateway, fault, observed } of results) {
    if (observed !== null && observed.crashes > 0) {
      lines.push(`A worker crashed: ${strategy} (${gateway}) under ${fault}. Its last words are on standard error.`)
    }
  }
  return lines.join('\n')
}
