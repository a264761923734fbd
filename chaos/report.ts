import Table from 'cli-table3'
import pc from 'picocolors'
import type { ChaosResult } from './run.js'

const MOST_VIOLATIONS = 40

/** What happened, for people. */
export function toText(result: ChaosResult): string {
  const { effects, charges, chargedTwice, lost, parked, putOff, interrupted, recoveryMs, violations } = result
  const lines = [
    tableOf(
      ['fault', 'struck'],
      Object.entries(result.faults).map(([fault, count]) => [
        fault,
        result.notInjected[fault] ? 'not here' : `${count}`,
      ]),
    ),
    tableOf(
      [
        'effects',
        'charges',
        'charged twice',
        'lost',
        'parked',
        'put off',
        'interrupted',
        'recovery p50',
        'recovery p99',
      ],
      [
        [effects, charges, chargedTwice, lost, parked, putOff, interrupted]
          .map(String)
          .concat(`${recoveryMs.p50} ms`, `${recoveryMs.p99} ms`),
      ],
    ),
    `${result.minutes} min, seed ${result.seed}.`,
    ...Object.entries(result.notInjected).map(([fault, why]) => pc.yellow(`NOT INJECTED: ${fault}. ${why}`)),
  ]
  if (violations.length === 0) return [...lines, pc.green('Every promise was kept.')].join('\n')
  return [
    ...lines,
    pc.red(`${violations.length} promises were broken:`),
    ...violations.slice(0, MOST_VIOLATIONS).map((violation) => `  ${violation}`),
    ...(violations.length > MOST_VIOLATIONS ? [`  … and ${violations.length - MOST_VIOLATIONS} more`] : []),
    `Run the same faults again with --seed ${result.seed}, and fewer of them with --fault; an effect that has not ended ` +
      'may need a quieter machine (its time to come to rest is bounded), one that was charged twice never does.',
    ...Object.entries(result.workerErrors).map(([message, count]) =>
      pc.dim(`  workers said, ${count} times: ${message}`),
    ),
  ].join('\n')
}

function tableOf(head: readonly string[], rows: readonly string[][]): string {
  const table = new Table({
    head: head.map((each) => pc.dim(each)),
    colAligns: head.map((_, i) => (i === 0 && rows.length > 1 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows)
  return table.toString()
}

/** What happened, for programs. */
export function toJson(result: ChaosResult): string {
  const { minutes, effects, charges, chargedTwice, lost, parked, putOff, faults, recoveryMs, violations } = result
  const figures = { minutes, effects, charges, chargedTwice, lost, parked, putOff, faults, recoveryMs, violations }
  return `${JSON.stringify(figures, null, 2)}\n`
}
