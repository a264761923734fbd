import { Command, CommanderError } from 'commander'
import { CounterfoilError } from '../protocol/index.js'
import { approveCommand } from './commands/approve.js'
import { auditsCommand } from './commands/audits.js'
import { dismissCommand } from './commands/dismiss.js'
import { findingsCommand } from './commands/findings.js'
import { parkedCommand } from './commands/parked.js'
import { reconcileCommand } from './commands/reconcile.js'
import { repairCommand } from './commands/repair.js'
import { resolveCommand } from './commands/resolve.js'
import { resumeCommand } from './commands/resume.js'
import { showCommand } from './commands/show.js'
import { verifyCommand } from './commands/verify.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from './terminal.js'

/** A command of `counterfoil`: adds itself to the program, and tells how it ended. */
export type AddCommand = (program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void) => void

const COMMANDS: readonly AddCommand[] = [
  ...[verifyCommand, parkedCommand, showCommand, resumeCommand, resolveCommand],
  ...[reconcileCommand, auditsCommand, findingsCommand, approveCommand, dismissCommand, repairCommand],
]

/** Runs one command line. It never throws and never ends the process; the exit codes are those of `EXIT`. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok
  const program = new Command('counterfoil')
    .description('Calls to external services that take effect effectively once.')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.error })
  try {
    for (const add of COMMANDS) {
      add(program, terminal, (code) => {
        exitCode = code
      })
    }
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.couldNotRun
    terminal.error(`${wordsOf(error)}\n`)
    return EXIT.couldNotRun
  }
}

/** Errors that are made for people speak for themselves; of any other, the stack shows where to look. */
function wordsOf(error: unknown): string {
  if (error instanceof UsageError || error instanceof CounterfoilError) {
    return error.cause instanceof Error ? `${error.message}\n${error.cause.stack}` : error.message
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
