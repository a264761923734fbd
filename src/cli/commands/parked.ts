import type { Command } from 'commander'
import type { ParkedEffect, ParkedOptions } from '../../operations/index.js'
import { countOf } from '../arguments.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from '../load-counterfoil.js'
import { tableOf, timeOf } from '../table.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

interface Given {
  readonly effect?: string
  readonly limit: number
  readonly json?: true
}

/** What the command needs of a user's Counterfoil. */
interface Lists extends Stops {
  parked(options: ParkedOptions<unknown>): Promise<readonly ParkedEffect[]>
}

/** `counterfoil parked`: lists what needs a person. */
export function parkedCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('parked')
    .description('List the parked effects, which need a person or an audit, the longest parked first.')
    .argument('<module>', COUNTERFOIL_MODULE)
    .option('--effect <name>', 'only this effect')
    .option('--limit <count>', 'how many at most', countOf, 100)
    .option('--json', 'print JSON: { "parked": […], "more": whether there are more than the limit }')
    .addHelpText('after', '\nExit codes: 0 nothing is parked, 1 something is, 2 it could not run.')
    .action(async (path: string, given: Given) => {
      const counterfoil = await loadCounterfoil<Lists>(path, terminal, 'parked')
      end(await list(counterfoil, given, terminal))
    })
}

async function list(counterfoil: Lists, { effect, limit, json }: Given, terminal: Terminal): Promise<ExitCode> {
  try {
    // One more than is shown, to know whether there are more.
    const found = await counterfoil.parked({ limit: limit + 1, ...(effect === undefined ? {} : { effect }) })
    const [parked, more] = [found.slice(0, limit), found.length > limit]
    terminal.out(json ? `${JSON.stringify({ parked, more }, null, 2)}\n` : wordsFor(parked, more))
    return parked.length === 0 ? EXIT.ok : EXIT.found
  } finally {
    await counterfoil.stop()
  }
}

function wordsFor(parked: readonly ParkedEffect[], more: boolean): string {
  if (parked.length === 0) return 'Nothing is parked.\n'
  const head = ['PARKED', 'EFFECT', 'KEY', 'REASON', 'IT HAPPENED', 'CALLS']
  const rows = parked.map(({ parkedAtMs, effect, key, reason, inDoubtSinceMs, attempts }) => [
    ...[timeOf(parkedAtMs, ''), effect, key, reason.code],
    ...[inDoubtSinceMs === null ? 'no' : 'not known', String(attempts)],
  ])
  const rest = more ? `There are more than these ${parked.length}: raise --limit.\n` : ''
  return `${tableOf([head, ...rows])}${rest}`
}
