import { userInfo } from 'node:os'
import { UsageError } from './terminal.js'

/** What a command says of its `--actor`, since its default cannot be known before it is needed. */
export const ACTOR_OPTION = ['--actor <name>', 'who; kept as well (default: the user of this shell)'] as const

/**
 * Who acts: as given, else the user of the shell. Asked when a command acts, and not before: where the user has no entry
 * in the system's list (a container that runs under any number), Node throws, and help needs nobody's name.
 *
 * @throws {UsageError} nobody was named, and the system knows no name.
 */
export function actorOf(given: string | undefined): string {
  if (given !== undefined) return given
  try {
    return userInfo().username
  } catch (cause) {
    throw new UsageError('This system has no name for its user. Say who acts: --actor <name>.', { cause })
  }
}
