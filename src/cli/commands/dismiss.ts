import type { Command } from 'commander'
import type { ByPerson } from '../../operations/index.js'
import type { Finding } from '../../protocol/index.js'
import { dismissalProblem } from '../../reconcile/index.js'
import { type Decides, decisionCommand } from '../decide.js'
import type { ExitCode, Terminal } from '../terminal.js'

/** What the command needs of a user's Counterfoil. */
interface Dismisses extends Decides {
  dismissFinding(id: string, by: ByPerson): Promise<Finding>
}

/** `counterfoil dismiss`: a person says that what was found may stay as it is. */
export function dismissCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  const command = program
    .command('dismiss')
    .description('Say that what was found may stay as it is. Nothing is sent, now or later.')
  decisionCommand<Dismisses>(
    command,
    {
      method: 'dismissFinding',
      problemOf: dismissalProblem,
      decide: (counterfoil, id, by) => counterfoil.dismissFinding(id, by),
    },
    terminal,
    end,
  )
}
