import type { Command } from 'commander'
import type { ByPerson } from '../operations/index.js'
import type { Finding } from '../protocol/index.js'
import { byOf, type Given, givenBy } from './by-person.js'
import { lineOf } from './findings.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from './load-counterfoil.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from './terminal.js'

/** What a decision needs of a user's Counterfoil. */
export interface Decides extends Stops {
  finding(id: string): Promise<Finding | null>
}

/** A decision of a person's about findings. */
export interface Decision<Needed extends Decides> {
  /** The method that notes it. */
  readonly method: keyof Needed & string
  /** Why it cannot be made about a finding; null where it can. */
  readonly problemOf: (finding: Finding) => string | null
  readonly decide: (counterfoil: Needed, id: string, by: ByPerson) => Promise<Finding>
}

/** Makes a command note a decision about one or more findings. None is noted where any of them cannot be. */
export function decisionCommand<Needed extends Decides>(
  command: Command,
  decision: Decision<Needed>,
  terminal: Terminal,
  end: (exitCode: ExitCode) => void,
): void {
  command.argument('<module>', COUNTERFOIL_MODULE).argument('<finding...>', 'the ids of the findings')
  givenBy(command, 'the finding until it is decided anew')
    .option('--json', 'print JSON: { "findings": […] }, as they stand now')
    .addHelpText('after', '\nExit codes: 0 it is noted of all, 2 it could not run.')
    .action(async (path: string, ids: readonly string[], given: Given & { readonly json?: true }) => {
      const by = byOf(given)
      const counterfoil = await loadCounterfoil<Needed>(path, terminal, decision.method)
      try {
        for (const id of ids) await check(counterfoil, id, decision)
        const findings: Finding[] = []
        for (const id of ids) {
          const finding = await decision.decide(counterfoil, id, by)
          if (!given.json) terminal.out(lineOf(finding))
          findings.push(finding)
        }
        if (given.json) terminal.out(`${JSON.stringify({ findings }, null, 2)}\n`)
        end(EXIT.ok)
      } finally {
        await counterfoil.stop()
      }
    })
}

async function check<Needed extends Decides>(counterfoil: Needed, id: string, { problemOf }: Decision<Needed>) {
  const finding = await counterfoil.finding(id)
  if (finding === null) throw new UsageError(`There is no finding ${id}. Nothing was done.`)
  const problem = problemOf(finding)
  if (problem !== null) throw new UsageError(problem)
}
