import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { ResumeBy, Resumed } from '../../operations/index.js'
import { defaultExport, isObject, loadModule } from '../load-module.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from '../terminal.js'

interface Given {
  readonly reason: string
  readonly actor: string
}

/** What the command needs of a user's Counterfoil: made by the very copy of this package that the user has. */
interface Resumes {
  resume(effect: string, key: string, by: ResumeBy): Promise<Resumed>
  stop(): Promise<void>
}

/** `counterfoil resume`: has parked effects tried again, once their cause is mended. */
export function resumeCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('resume')
    .description(
      'Have parked effects tried again, once their cause is mended. What may have happened is looked up first, and is ' +
        'never called again without proof that it did not, or a key that makes it safe.',
    )
    .argument('<module>', 'a module that exports your `new Counterfoil(…)` by default')
    .argument('<effect>', 'the name of the effect, as `onParked` tells it')
    .argument('<key...>', 'the business keys')
    .requiredOption('--reason <words>', 'why; kept with the entry until its next outcome')
    .option('--actor <name>', 'who; kept as well', userInfo().username)
    .addHelpText('after', '\nExit codes: 0 all were resumed or settled, 1 some stay as they were, 2 it could not run.')
    .action(async (path: string, effect: string, keys: readonly string[], given: Given) => {
      const counterfoil = counterfoilOf(await loadModule(path, terminal.cwd), path)
      end(await resumeAll(counterfoil, { effect, keys, ...given }, terminal))
    })
}

async function resumeAll(
  counterfoil: Resumes,
  { effect, keys, actor, reason }: Given & { readonly effect: string; readonly keys: readonly string[] },
  terminal: Terminal,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok
  try {
    // One after the other: a service that has just come back is not run over by the look-ups.
    for (const key of keys) {
      const resumed = await counterfoil.resume(effect, key, { actor, reason })
      if (resumed.kind === 'unchanged') exitCode = EXIT.found
      terminal.out(`${effect} ${key}: ${wordsFor(resumed)}\n`)
    }
  } finally {
    await counterfoil.stop()
  }
  return exitCode
}

function wordsFor(resumed: Resumed): string {
  switch (resumed.kind) {
    case 'resumed':
      return resumed.state === 'pending'
        ? 'resumed. It did not happen, and is made by the next process that runs start().'
        : 'resumed. It may have happened, and is called again under its key by the next process that runs start().'
    case 'settled':
      return `${resumed.state}. The service was asked, and knew.`
    case 'unchanged':
      return `unchanged (${resumed.reason.code}). ${resumed.reason.message}`
  }
}

function counterfoilOf(module: unknown, path: string): Resumes {
  const exported = defaultExport(module)
  if (isObject(exported) && typeof exported.resume === 'function') return exported as unknown as Resumes
  throw new UsageError(
    `${path} does not export a Counterfoil by default. Write: export default new Counterfoil({ journal, effects }), in a ` +
      'module that does not call start().',
  )
}
