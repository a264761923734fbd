import Table from 'cli-table3'
import pc from 'picocolors'
import type { ChaosResult } from './run.js'

const MOST_VIOLATIONS = 20

/** What happened, for people. */
export function toText(result: ChaosResult): string {
  const table = new Table({
    head: [pc.dim('fault'), pc.dim('struck')],
    colAligns: ['left', 'right'],
    style: { head: [], border: [] },
  })
  for (const [fault, count] of Object.entries(result.faults)) table.push([fault, count])
  const { effects, charges, chargedTwice, lost, parked, interrupted, recoveryMs, violations } = result
  const lines = [
    table.toString(),
    `${effects} effects, ${charges} charges, ${chargedTwice} charged twice, ${lost} lost, ${parked} parked; ${result.minutes} min, seed ${result.seed}.`,
    `${interrupted} effects were interrupted; from their first call to their consequence: p50 ${recoveryMs.p50} ms, p99 ${recoveryMs.p99} ms.`,
    violations.length === 0
      ? pc.green('Every promise was kept.')
      : pc.red(`${violations.length} promises were broken:`),
    ...violations.slice(0, MOST_VIOLATIONS).map((violation) => `  ${violation}`),
  ]
  if (violations.length > MOST_VIOLATIONS)
    lines.push(`  … and ${violations.length - MOST_VIOLATIONS} more (--json has all).`)
  return lines.join('\n')
}

/** What happened, for programs. */
export function toJson(result: ChaosResult): string {
  return `${JSON.stringify(result, null, 2)}\n`
}
