import type { Command } from 'commander'
import type { ByPerson, ResolvedByHand, SeenByHand } from '../../operations/index.js'
import { byOf, type Given, givenBy } from '../by-person.js'
import { loadCounterfoil, moduleAndEffect, type Stops } from '../load-counterfoil.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from '../terminal.js'

/** What the command needs of a user's Counterfoil. */
interface Resolves extends Stops {
  resolveByHand(effect: string, key: string, what: SeenByHand, by: ByPerson): Promise<ResolvedByHand>
}

interface Said extends Given {
  readonly happened?: true
  readonly didNotHappen?: true
  readonly receipt?: string
  readonly externalId?: string
  readonly json?: true
}

/** `counterfoil resolve`: ends a parked doubt by the word of a person who has looked at the service. */
export function resolveCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  const command = program
    .command('resolve')
    .description(
      'Say whether a parked effect happened, once you have looked at the service and nothing else can tell. It is no ' +
        'proof, and stays marked as yours for ever. Where the service can be asked, it is asked, and its answer goes before.',
    )
  givenBy(moduleAndEffect(command).argument('<key>', 'the business key'), 'the entry for ever')
    .option('--happened', 'it did; needs --receipt')
    .option('--did-not-happen', 'it did not, and shall not: no new generation begins after it')
    .option('--receipt <json>', 'what `execute` would have returned: later callers are given it')
    .option('--external-id <id>', "the service's own id of it; default: the receipt's")
    .option('--json', 'print what became of it as JSON')
    .addHelpText('after', '\nExit codes: 0 it has ended as you say, 1 it stays as it was, 2 it could not run.')
    .action(async (path: string, effect: string, key: string, said: Said) => {
      const [what, by] = [seenOf(said), byOf(said)]
      const counterfoil = await loadCounterfoil<Resolves>(path, terminal, 'resolveByHand')
      try {
        const resolved = await counterfoil.resolveByHand(effect, key, what, by)
        const json = said.json && JSON.stringify({ effect, key, ...resolved }, null, 2)
        terminal.out(json ? `${json}\n` : `${effect} ${key}: ${wordsFor(resolved)}\n`)
        end(resolved.kind === 'unchanged' ? EXIT.found : EXIT.ok)
      } finally {
        await counterfoil.stop()
      }
    })
}

/** @throws {UsageError} neither is said, or both; or the receipt is missing, no JSON, or of what did not happen. */
function seenOf({ happened, didNotHappen, receipt, externalId }: Said): SeenByHand {
  if ((happened === undefined) === (didNotHappen === undefined)) {
    throw new UsageError('Say either --happened or --did-not-happen.')
  }
  if (happened === undefined) {
    if (receipt === undefined && externalId === undefined) return { happened: false }
    throw new UsageError('What did not happen has no --receipt and no --external-id.')
  }
  if (receipt === undefined) {
    throw new UsageError('--happened needs a --receipt: later callers are given it as if the service had returned it.')
  }
  return { happened: true, receipt: jsonOf(receipt), ...(externalId === undefined ? {} : { externalId }) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`--receipt is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function wordsFor(resolved: ResolvedByHand): string {
  switch (resolved.kind) {
    case 'forced':
      return `${resolved.state}, by hand. It stays marked: ${resolved.forcedBy}`
    case 'settled':
      return `${resolved.state}. The service was asked, and says the same: nothing was forced.`
    case 'unchanged':
      return `unchanged (${resolved.reason.code}). ${resolved.reason.message}`
  }
}
