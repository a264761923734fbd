import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { ByPerson } from '../operations/index.js'
import { UsageError } from './terminal.js'

/** Who does it and why, as it stands in the command line. */
export interface Given {
  readonly reason: string
  readonly actor?: string
}

/** Has a command ask who does it and why. `kept`: with what, and until when, both are kept. */
export function givenBy(command: Command, kept: string): Command {
  return command
    .requiredOption('--reason <words>', `why; kept with ${kept}`)
    .option('--actor <name>', 'who; kept as well (default: the user of this shell)')
}

/**
 * Who acts, and why: as given, else the user of the shell. Asked when a command acts, and not before: where the user has no
 * entry in the system's list (a container that runs under any number), Node throws, and help needs nobody's name.
 *
 * @throws {UsageError} nobody was named, and the system knows no name.
 */
export function byOf({ actor, reason }: Given): ByPerson {
  return { actor: actor ?? userName(), reason }
}

function userName(): string {
  try {
    return userInfo().username
  } catch (cause) {
    throw new UsageError('This system has no name for its user. Say who acts: --actor <name>.', { cause })
  }
}
