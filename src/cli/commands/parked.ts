import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { defaultExport, isObject, loadModule } from '../load-module.js'
import { type Terminal, UsageError } from '../terminal.js'

/** Who does it and why, as every command asks for it that does something about a parked effect. */
export interface Given {
  readonly reason: string
  readonly actor: string
}

/** A user's Counterfoil, made by the very copy of this package that the user has, as far as a command needs it. */
export type Needed<Method> = Method & { stop(): Promise<void> }

export function moduleAndEffect(command: Command): Command {
  return command
    .argument('<module>', 'a module that exports your `new Counterfoil(…)` by default')
    .argument('<effect>', 'the name of the effect, as `onParked` tells it')
}

export function actorAndReason(command: Command, kept: string): Command {
  return command
    .requiredOption('--reason <words>', `why; kept with the entry ${kept}`)
    .option('--actor <name>', 'who; kept as well', userInfo().username)
}

/** @throws {UsageError} the module exports no Counterfoil that has this method. */
export async function counterfoilOf<Method>(
  path: string,
  method: string & keyof Method,
  terminal: Terminal,
): Promise<Needed<Method>> {
  const exported = defaultExport(await loadModule(path, terminal.cwd))
  if (isObject(exported) && typeof exported[method] === 'function') return exported as unknown as Needed<Method>
  throw new UsageError(
    `${path} does not export a Counterfoil by default. Write: export default new Counterfoil({ journal, effects }), in a ` +
      'module that does not call start().',
  )
}
