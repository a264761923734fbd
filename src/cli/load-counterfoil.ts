import type { Command } from 'commander'
import { defaultExport, isObject, loadModule } from './load-module.js'
import { type Terminal, UsageError } from './terminal.js'

/** What a command says of the module that it takes. */
export const COUNTERFOIL_MODULE = 'a module that exports your `new Counterfoil(…)` by default'

/** A command's first arguments: the module, and the name of one of its effects. */
export function moduleAndEffect(command: Command): Command {
  return command
    .argument('<module>', COUNTERFOIL_MODULE)
    .argument('<effect>', 'the name of the effect, as `onParked` tells it')
}

/** What every command does with a user's Counterfoil in the end. */
export interface Stops {
  stop(): Promise<void>
}

/**
 * The Counterfoil of a user's module, made by the very copy of this package that the user has, as what a command needs of
 * it: `method` among others.
 *
 * @throws {UsageError} the module cannot be loaded, or exports something else.
 */
export async function loadCounterfoil<Needed extends Stops>(
  path: string,
  { cwd }: Terminal,
  method: keyof Needed & string,
): Promise<Needed> {
  const exported = defaultExport(await loadModule(path, cwd))
  if (isObject(exported) && typeof exported[method] === 'function') return exported as unknown as Needed
  throw new UsageError(
    `${path} does not export a Counterfoil by default. Write: export default new Counterfoil({ journal, effects }), in a ` +
      'module that does not call start().',
  )
}
