import type { Command } from 'commander'
import type { FindingsOptions } from '../../operations/index.js'
import {
  FINDING_KINDS,
  FINDING_STATUSES,
  type Finding,
  type FindingKind,
  type FindingStatus,
} from '../../protocol/index.js'
import { countOf, oneOf } from '../arguments.js'
import { findingsTable } from '../findings.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from '../load-counterfoil.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

interface Given {
  readonly effect?: string
  readonly run?: string
  readonly kind?: readonly FindingKind[]
  readonly status?: readonly FindingStatus[]
  readonly limit: number
  readonly after?: string
  readonly json?: true
}

/** What the command needs of a user's Counterfoil. */
interface Lists extends Stops {
  findings(options: FindingsOptions<unknown>): Promise<readonly Finding[]>
}

/** `counterfoil findings`: lists what audits have found. */
export function findingsCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('findings')
    .description('List what audits have found: what waits for a person, or, of one audit, all that it saw.')
    .argument('<module>', COUNTERFOIL_MODULE)
    .option('--run <audit>', 'only what this audit saw')
    .option('--effect <name>', 'only this effect')
    .option(
      `--kind <kind>`,
      `only this kind (${FINDING_KINDS.join(', ')}); may be given more than once`,
      oneOf(FINDING_KINDS),
    )
    .option(
      '--status <status>',
      `only this status (${FINDING_STATUSES.join(', ')}); may be given more than once; default: open and refused, or with --run all`,
      oneOf(FINDING_STATUSES),
    )
    .option('--limit <count>', 'how many at most', countOf, 100)
    .option('--after <finding>', 'go on behind this finding, the last of the page before')
    .option('--json', 'print JSON: { "findings": […], "more": whether there are more than the limit }')
    .addHelpText('after', '\nExit codes: 0 there are none, 1 there are some, 2 it could not run.')
    .action(async (path: string, given: Given) => {
      const counterfoil = await loadCounterfoil<Lists>(path, terminal, 'findings')
      end(await list(counterfoil, given, terminal))
    })
}

async function list(counterfoil: Lists, given: Given, terminal: Terminal): Promise<ExitCode> {
  const { limit, json } = given
  try {
    // One more than is shown, to know whether there are more.
    const found = await counterfoil.findings({ ...optionsOf(given), limit: limit + 1 })
    const [findings, more] = [found.slice(0, limit), found.length > limit]
    terminal.out(json ? `${JSON.stringify({ findings, more }, null, 2)}\n` : wordsFor(findings, more))
    return findings.length === 0 ? EXIT.ok : EXIT.found
  } finally {
    await counterfoil.stop()
  }
}

function optionsOf({ effect, run, kind, status, after }: Given): FindingsOptions<unknown> {
  return {
    ...(effect === undefined ? {} : { effect }),
    ...(run === undefined ? {} : { runId: run }),
    ...(kind === undefined ? {} : { kinds: kind }),
    ...(status === undefined ? {} : { statuses: status }),
    ...(after === undefined ? {} : { after: { id: after } }),
  }
}

function wordsFor(findings: readonly Finding[], more: boolean): string {
  const last = findings.at(-1)
  if (last === undefined) return 'There is no such finding.\n'
  return `${findingsTable(findings)}${more ? `There are more: --after ${last.id}\n` : ''}`
}
