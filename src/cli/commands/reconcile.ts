import { type Command, Option } from 'commander'
import type { Duration } from '../../protocol/index.js'
import type { AuditReport, ReconcileOptions } from '../../reconcile/index.js'
import { momentOf } from '../arguments.js'
import { totalsTable } from '../findings.js'
import { loadCounterfoil, moduleAndEffect, type Stops } from '../load-counterfoil.js'
import { timeOf } from '../table.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

interface Given {
  readonly since?: Duration
  readonly from?: Date
  readonly to?: Date
  readonly repair: 'dry-run' | 'ask'
  readonly json?: true
}

/** What the command needs of a user's Counterfoil. */
interface Reconciles extends Stops {
  reconcile(effect: string, options: ReconcileOptions): Promise<AuditReport>
}

/** `counterfoil reconcile`: audits an effect. */
export function reconcileCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  moduleAndEffect(
    program
      .command('reconcile')
      .description("Audit an effect: compare the service's own list with the journal, and keep what is found."),
  )
    .option('--since <duration>', 'operations created within this time before the end (default: 24h)')
    .option('--from <time>', 'instead of --since: operations created from then', momentOf)
    .option('--to <time>', 'operations created before then (default: now)', momentOf)
    .addOption(
      new Option(
        '--repair <how>',
        'dry-run: only keep findings; ask: settle doubts by evidence, and undo at the service what persons have approved',
      )
        .choices(['dry-run', 'ask'])
        .default('dry-run'),
    )
    .option('--json', 'print the audit as JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing waits for a person, 1 something does, 2 it could not run or is incomplete.',
    )
    .action(async (path: string, effect: string, { json, ...options }: Given) => {
      const counterfoil = await loadCounterfoil<Reconciles>(path, terminal, 'reconcile')
      try {
        const report = await counterfoil.reconcile(effect, options)
        terminal.out(json ? `${JSON.stringify(report.run, null, 2)}\n` : wordsFor(report))
        const waits = report.totals.some(({ status }) => status !== 'repaired' && status !== 'dismissed')
        end(waits ? EXIT.found : EXIT.ok)
      } finally {
        await counterfoil.stop()
      }
    })
}

function wordsFor({ run, counts, totals }: AuditReport): string {
  const { listed, foreign, matched, moving, undone } = counts
  const window = `${timeOf(run.fromMs, '')} to ${timeOf(run.toMs, '')}`
  const head = `audit ${run.id} of ${run.effect}: ${run.state}, ${window}\n`
  const seen = `${listed} listed, ${foreign} not ours, ${matched} matched, ${moving} moving, ${undone} undone\n`
  const note = run.note === null ? '' : `${run.note.message}\n`
  return `${head}${seen}${note}${totals.length === 0 ? 'It found nothing.\n' : totalsTable(totals)}`
}
