import type { Command } from 'commander'
import type { Finding } from '../../protocol/index.js'
import { type Approval, approvalProblem } from '../../reconcile/index.js'
import { type Decides, decisionCommand } from '../decide.js'
import type { ExitCode, Terminal } from '../terminal.js'

/** What the command needs of a user's Counterfoil. */
interface Approves extends Decides {
  approveFinding(id: string, by: Approval): Promise<Finding>
}

/** `counterfoil approve`: a person says that findings are to be repaired. */
export function approveCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  const command = program
    .command('approve')
    .description(
      'Say that the operations of findings (duplicates, orphans) are to be undone. Nothing is sent now: `repair --undo` ' +
        'does, or the next audit that may repair.',
    )
  decisionCommand<Approves>(
    command,
    {
      method: 'approveFinding',
      problemOf: approvalProblem,
      decide: (counterfoil, id, by) => counterfoil.approveFinding(id, { ...by, repair: 'later' }),
    },
    terminal,
    end,
  )
}
