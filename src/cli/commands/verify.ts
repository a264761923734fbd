import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import {
  defineVerification,
  formatReport,
  type Verification,
  type VerificationRun,
  type VerificationSpec,
  type VerifyReport,
} from '../../testing/verify/index.js'
import { defaultExport, isObject, loadModule } from '../load-module.js'
import { EXIT, type ExitCode, type Terminal, UsageError } from '../terminal.js'

interface Given {
  readonly effect?: readonly string[]
  readonly json?: string
}

/** `counterfoil verify`: learns whether a user's integration can make an effect happen twice. */
export function verifyCommand(program: Command, terminal: Terminal, end: (exitCode: ExitCode) => void): void {
  program
    .command('verify')
    .description('Break your own effects at every point, against a fake of the service, and say what does not hold.')
    .argument('<module>', 'a module that exports `defineVerification({ service, effects })` by default')
    .option(
      '--effect <name>',
      'only this effect; may be given more than once',
      (name, before: readonly string[] = []) => [...before, name],
    )
    .option('--json <file>', 'write the reports as JSON')
    .addHelpText('after', '\nExit codes: 0 all holds, 1 something is broken, 2 it could not run.')
    .action(async (path: string, given: Given) => end(await verify(path, given, terminal)))
}

async function verify(path: string, given: Given, terminal: Terminal): Promise<ExitCode> {
  const verification = verificationOf(await loadModule(path, terminal.cwd), path)
  const onReport = (report: VerifyReport): void => terminal.out(`${formatReport(report)}\n\n`)
  const run: VerificationRun = given.effect === undefined ? { onReport } : { onReport, only: given.effect }
  const reports = await verification.run(run)
  const ok = reports.every((report) => report.ok)
  if (given.json !== undefined) {
    await writeFile(resolve(terminal.cwd, given.json), `${JSON.stringify({ ok, reports }, null, 2)}\n`)
  }
  return ok ? EXIT.ok : EXIT.found
}

// What `defineVerification` made brings its own way to run: from the very copy of this package that the effects use.
function verificationOf(module: unknown, path: string): Verification {
  const exported = defaultExport(module)
  if (isObject(exported) && typeof exported.run === 'function') return exported as unknown as Verification
  if (isObject(exported) && exported.service !== undefined && Array.isArray(exported.effects)) {
    return defineVerification(exported as unknown as VerificationSpec)
  }
  throw new UsageError(
    `${path} does not export a verification by default. Write: export default defineVerification({ service, effects: [{ effect, input }] }), from 'counterfoil/testing'.`,
  )
}
