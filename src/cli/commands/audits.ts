import type { Command } from 'commander'
import type { AuditsOptions } from '../../operations/index.js'
import type { AuditRun } from '../../protocol/index.js'
import type { AuditReport } from '../../reconcile/index.js'
import { countOf } from '../arguments.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from '../load-counterfoil.js'
import { tableOf, timeOf } from '../table.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from '../terminal.js'

interface Given {
  readonly effect?: string
  readonly limit: number
  readonly after?: string
  readonly json?: true
}

/** What the command needs of a user's Counterfoil. */
interface Lists extends Stops {
  audits(options: AuditsOptions<unknown>): Promise<readonly AuditRun[]>
  auditReport(runId: string): Promise<AuditReport | null>
}

/** `counterfoil audits`: lists the audits that there were, the latest first. */
export function auditsCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('audits')
    .description('List the audits, the latest first: of what, when, how far, and what they found.')
    .argument('<module>', COUNTERFOIL_MODULE)
    .option('--effect <name>', 'only this effect')
    .option('--limit <count>', 'how many at most', countOf, 20)
    .option('--after <audit>', 'go on behind this audit, the last of the page before')
    .option('--json', 'print JSON: { "audits": […], "more": whether there are more than the limit }')
    .addHelpText('after', '\nExit codes: 0 they are listed, 2 it could not run.')
    .action(async (path: string, given: Given) => {
      const counterfoil = await loadCounterfoil<Lists>(path, terminal, 'audits')
      end(await list(counterfoil, given, terminal))
    })
}

async function list(counterfoil: Lists, { effect, limit, after, json }: Given, terminal: Terminal): Promise<ExitCode> {
  try {
    const behind = after === undefined ? {} : { after: await placeOf(counterfoil, after) }
    // One more than is shown, to know whether there are more.
    const found = await counterfoil.audits({
      limit: limit + 1,
      ...behind,
      ...(effect === undefined ? {} : { effect }),
    })
    const [audits, more] = [found.slice(0, limit), found.length > limit]
    terminal.out(json ? `${JSON.stringify({ audits, more }, null, 2)}\n` : wordsFor(audits, more))
    return EXIT.ok
  } finally {
    await counterfoil.stop()
  }
}

async function placeOf(counterfoil: Lists, id: string): Promise<AuditRun> {
  const report = await counterfoil.auditReport(id)
  if (report === null) throw new UsageError(`--after: there is no audit ${id}.`)
  return report.run
}

function wordsFor(audits: readonly AuditRun[], more: boolean): string {
  const last = audits.at(-1)
  if (last === undefined) return 'There is no audit.\n'
  const head = ['STARTED', 'AUDIT', 'EFFECT', 'FROM', 'TO', 'STATE', 'LISTED', 'FINDINGS']
  const rows = audits.map((run) => [
    ...[timeOf(run.startedAtMs, ''), run.id, run.effect, timeOf(run.fromMs, ''), timeOf(run.toMs, '')],
    ...[run.note === null ? run.state : `${run.state} (${run.note.code})`, String(run.counts.listed), findingsOf(run)],
  ])
  return `${tableOf([head, ...rows])}${more ? `There are more: --after ${last.id}\n` : ''}`
}

/** How many of each status, for example `2 open, 1 repaired`. */
function findingsOf({ totals }: AuditRun): string {
  const counts = new Map<string, number>()
  for (const { status, count } of totals) counts.set(status, (counts.get(status) ?? 0) + count)
  return [...counts].map(([status, count]) => `${count} ${status}`).join(', ') || 'none'
}
