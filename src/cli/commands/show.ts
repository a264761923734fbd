import type { Command } from 'commander'
import type { EffectAddress, EffectEntry } from '../../operations/index.js'
import { COUNTERFOIL_MODULE, loadCounterfoil, type Stops } from '../load-counterfoil.js'
import { tableOf, timeOf } from '../table.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

interface Given {
  readonly json?: true
}

/** What the command needs of a user's Counterfoil. */
interface Reads extends Stops {
  entry(address: EffectAddress<unknown>): Promise<EffectEntry | null>
}

/** `counterfoil show`: how one effect stands. */
export function showCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('show')
    .description('Show how one effect stands in the journal. The service is not asked.')
    .argument('<module>', COUNTERFOIL_MODULE)
    .argument('<effect>', 'the name of the effect')
    .argument('<key>', 'the business key')
    .option('--json', 'print JSON, null where there is none')
    .addHelpText('after', '\nExit codes: 0 it is shown, 1 there is none, 2 it could not run.')
    .action(async (path: string, effect: string, key: string, given: Given) => {
      const counterfoil = await loadCounterfoil<Reads>(path, terminal, 'entry')
      end(await show(counterfoil, { effect, key }, given, terminal))
    })
}

async function show(
  counterfoil: Reads,
  address: { readonly effect: string; readonly key: string },
  { json }: Given,
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    const entry = await counterfoil.entry(address)
    if (json) terminal.out(`${JSON.stringify(entry, null, 2)}\n`)
    else if (entry === null) terminal.out(`${address.effect} ${address.key}: there is none.\n`)
    else terminal.out(tableOf(rowsOf(entry)))
    return entry === null ? EXIT.found : EXIT.ok
  } finally {
    await counterfoil.stop()
  }
}

function rowsOf(entry: EffectEntry): string[][] {
  return [
    ['effect', entry.effect],
    ['key', entry.key],
    ['state', entry.state],
    ['reason', entry.reason === null ? '-' : `${entry.reason.code}: ${entry.reason.message}`],
    ['receipt', receiptOf(entry)],
    ['external id', entry.externalId ?? '-'],
    ['ended by hand', entry.forcedBy ?? '-'],
    ['settled handler', entry.settlement],
    ['calls', String(entry.attempts)],
    ['generation', String(entry.generation)],
    ['reference', entry.reference],
    ['id', entry.id],
    ['created', timeOf(entry.createdAtMs, '-')],
    ['first call', timeOf(entry.firstSentAtMs, '-')],
    ['last call until', timeOf(entry.lastDeadlineAtMs, '-')],
    ['in doubt since', timeOf(entry.inDoubtSinceMs, '-')],
    ['due', timeOf(entry.dueAtMs, '-')],
    ['since', timeOf(entry.updatedAtMs, '-')],
  ]
}

function receiptOf({ isCompact, receipt }: EffectEntry): string {
  if (isCompact) return 'let go by the retention'
  return receipt === null ? '-' : JSON.stringify(receipt)
}
