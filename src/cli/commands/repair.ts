import type { Command } from 'commander'
import type { FindingsOptions } from '../../operations/index.js'
import type { Finding } from '../../protocol/index.js'
import { findingsTable, lineOf } from '../findings.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from '../load-counterfoil.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

/** Findings that are read at once. */
const PAGE_ROWS = 100

interface Given {
  readonly effect?: string
  readonly undo?: true
}

/** What the command needs of a user's Counterfoil. */
interface Repairs extends Stops {
  findings(options: FindingsOptions<unknown>): Promise<readonly Finding[]>
  repairFinding(id: string): Promise<Finding>
}

/** `counterfoil repair`: carries out what was approved, if told so; else it says what that would be. */
export function repairCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('repair')
    .description('Show the repairs that persons have approved and that are not made yet; with --undo, make them.')
    .argument('<module>', COUNTERFOIL_MODULE)
    .option('--effect <name>', 'only this effect')
    .option('--undo', 'undo their operations at the service, each once; without it, nothing is sent')
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing is left to repair, 1 something is, or was not repaired, 2 it could not run.',
    )
    .action(async (path: string, given: Given) => {
      const counterfoil = await loadCounterfoil<Repairs>(path, terminal, 'repairFinding')
      try {
        end(await repairAll(counterfoil, given, terminal))
      } finally {
        await counterfoil.stop()
      }
    })
}

async function repairAll(counterfoil: Repairs, { effect, undo }: Given, terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok
  let count = 0
  for await (const page of approved(counterfoil, effect)) {
    count += page.length
    if (undo === undefined) terminal.out(findingsTable(page))
    // One after the other: each is a call that moves money.
    for (const { id } of undo === undefined ? [] : page) {
      const finding = await counterfoil.repairFinding(id)
      if (finding.status !== 'repaired') exitCode = EXIT.found
      terminal.out(finding.status === 'approved' ? goesOn(finding) : lineOf(finding))
    }
  }
  if (count === 0) terminal.out('Nothing is approved that is not repaired.\n')
  else if (undo === undefined)
    terminal.out(`Nothing was sent. With --undo, these ${count} are undone at the service.\n`)
  return undo === undefined && count > 0 ? EXIT.found : exitCode
}

async function* approved(counterfoil: Repairs, effect: string | undefined): AsyncGenerator<readonly Finding[]> {
  const only = { statuses: ['approved'], limit: PAGE_ROWS, ...(effect === undefined ? {} : { effect }) } as const
  let page = await counterfoil.findings(only)
  while (page.length > 0) {
    yield page
    page = await counterfoil.findings({ ...only, after: page.at(-1) })
  }
}

function goesOn(finding: Finding): string {
  return `${lineOf(finding).trimEnd()}. Its outcome is not known yet: the undoing goes on in a process that runs start().\n`
}
