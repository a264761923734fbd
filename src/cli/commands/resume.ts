import type { Command } from 'commander'
import type { ResumeBy, Resumed } from '../../operations/index.js'
import { EXIT, type ExitCode, type Terminal } from '../terminal.js'
import { actorAndReason, counterfoilOf, type Given, moduleAndEffect, type Needed } from './parked.js'

interface Resumes {
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
  actorAndReason(moduleAndEffect(command).argument('<key...>', 'the business keys'), 'until its next outcome')
    .addHelpText('after', '\nExit codes: 0 all were resumed or settled, 1 some stay as they were, 2 it could not run.')
    .action(async (path: string, effect: string, keys: readonly string[], given: Given) => {
      const counterfoil = await counterfoilOf<Resumes>(path, 'resume', terminal)
      end(await resumeAll(counterfoil, { effect, keys, ...given }, terminal))
    })
}

async function resumeAll(
  counterfoil: Needed<Resumes>,
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
