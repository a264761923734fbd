import { spawn } from 'node:child_process'
import type { UserId } from './user.js'

export interface CommandResult {
  readonly exitCode: number | undefined
  /** Standard output and error, as they came. */
  readonly output: string
}

/**
 * Runs a program to its end. Never rejects for a failing program, only when it cannot be started at all (the Node
 * system error: ENOENT, EACCES, …).
 */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly user?: UserId | undefined; readonly input?: string; readonly cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...spawnIdentity(options.user),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: serverEnvironment(),
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', reject)
    child.once('close', (code) => resolve({ exitCode: code ?? undefined, output }))
    // A program that ends without reading its input closes the pipe: its exit code tells, not EPIPE.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
  })
}

/** The spawn options that run a program as another user (only root may), or as ourselves. */
export function spawnIdentity(user: UserId | undefined): { uid?: number; gid?: number } {
  // Node wants a signed number here and an unsigned one in chown; macOS's nobody is -2.
  return user === undefined ? {} : { uid: user.uid | 0, gid: user.gid | 0 }
}

/**
 * The environment of every PostgreSQL program: no PG* variable of the caller's (PGDATA, PGPORT, PGOPTIONS would steer
 * it elsewhere), and the C locale, so that its messages are the ones that we read.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { LC_ALL: 'C', LANG: 'C' }
  for (const name of ['PATH', 'SystemRoot', 'TEMP', 'TMP']) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return environment
}
