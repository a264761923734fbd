import type { Command } from 'commander'
import type { ResumeBy, Resumed } from '../../operations/index.js'
import { byOf, type Given, givenBy } from '../by-person.js'
import { loadCounterfoil, moduleAndEffect, type Stops } from '../load-counterfoil.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'

/** What the command needs of a user's Counterfoil. */
interface Resumes extends Stops {
  resume(effect: string, key: string, by: ResumeBy): Promise<Resumed>
}

/** `counterfoil resume`: has parked effects tried again, once their cause is mended. */
export function resumeCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  const command = program
    .command('resume')
    .description(
      'Have parked effects tried again, once their cause is mended. What may have happened is looked up first, and is ' +
        'never called again without proof that it did not, or a key that makes it safe.',
    )
  givenBy(moduleAndEffect(command).argument('<key...>', 'the business keys'), 'the entry until its next outcome')
    .addHelpText('after', '\nExit codes: 0 all were resumed or settled, 1 some stay as they were, 2 it could not run.')
    .action(async (path: string, effect: string, keys: readonly string[], given: Given) => {
      const by = byOf(given)
      const counterfoil = await loadCounterfoil<Resumes>(path, terminal, 'resume')
      end(await resumeAll(counterfoil, { effect, keys, by }, terminal))
    })
}

async function resumeAll(
  counterfoil: Resumes,
  { effect, keys, by }: { readonly effect: string; readonly keys: readonly string[]; readonly by: ResumeBy },
  terminal: Terminal,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok
  try {
    // One after the other: a service that has just come back is not run over by the look-ups.
    for (const key of keys) {
      const resumed = await counterfoil.resume(effect, key, by)
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
