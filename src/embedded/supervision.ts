import { join } from 'node:path'
import { runCommand } from './command.js'
import type { UserId } from './user.js'

/**
 * How the server is made to end with this process, however this process ends (SIGKILL runs no handler of ours).
 *
 * - `parent-death-signal`: the Linux kernel signals it (util-linux's setpriv). One process, nothing to go wrong.
 * - `watchdog`: a shell (Windows: a small Node) that starts the server and reads a pipe from us: its end is ours.
 */
export interface Supervision {
  readonly kind: 'parent-death-signal' | 'watchdog'
  /**
   * Whether util-linux's flock is there: the server and all its children then hold a kernel lock on the cluster, which
   * holds between containers that share a folder, where PostgreSQL's own lock (a pid) does not.
   */
  readonly locks: boolean
}

/** What `flock` answers when somebody else holds the lock. */
export const LOCK_HELD_EXIT_CODE = 97

/** Finds out what this machine offers. */
export async function findSupervision(user: UserId | undefined): Promise<Supervision> {
  if (process.platform !== 'linux') return { kind: 'watchdog', locks: false }
  const works = async (program: string, args: readonly string[]): Promise<boolean> =>
    (await runCommand(program, args, { user, cwd: '/' }).catch(() => undefined))?.exitCode === 0
  const [signal, locks] = await Promise.all([
    works('setpriv', ['--pdeathsig', 'INT', 'true']),
    works('flock', ['--nonblock', '--conflict-exit-code', '97', '--no-fork', '/dev/null', 'true']),
  ])
  return { kind: signal ? 'parent-death-signal' : 'watchdog', locks }
}

/** The command that runs `command` supervised. */
export function supervised(
  supervision: Supervision,
  command: readonly string[],
  plan: {
    readonly cluster: { readonly folder: string; readonly data: string }
    readonly stalePid?: number | undefined
  },
): [string, ...string[]] {
  if (process.platform === 'win32') return [process.execPath, '-e', WINDOWS_WATCHDOG, ...command]
  const locked = supervision.locks ? lockedCommand(command, plan) : command
  return supervision.kind === 'parent-death-signal'
    ? // The kernel tells only of a parent that dies from here on; one that died just before has left us another parent.
      ['setpriv', '--pdeathsig', 'INT', 'sh', '-c', CHECK_PARENT, 'sh', String(process.pid), ...locked]
    : ['sh', '-c', WATCHDOG, 'sh', ...locked]
}

const CHECK_PARENT = '[ "$PPID" = "$1" ] || exit 98; shift; exec "$@"'

/**
 * The server's files stay open to its children, and so does the lock. Under it no server can be alive here, so a lock
 * file that names a pid which some other program has now (a restarted container counts from 1 again) is surely stale,
 * and PostgreSQL, which only sees that the pid is alive, need not refuse.
 */
function lockedCommand(
  command: readonly string[],
  plan: {
    readonly cluster: { readonly folder: string; readonly data: string }
    readonly stalePid?: number | undefined
  },
): string[] {
  const lock = ['flock', '--nonblock', '--conflict-exit-code', String(LOCK_HELD_EXIT_CODE), '--no-fork']
  const locked = [...lock, join(plan.cluster.folder, 'lock')]
  if (plan.stalePid === undefined) return [...locked, ...command]
  const pidFile = join(plan.cluster.data, 'postmaster.pid')
  return [...locked, 'sh', '-c', REMOVE_STALE, 'sh', String(plan.stalePid), pidFile, ...command]
}

const REMOVE_STALE = 'if [ "$(head -n 1 "$2")" = "$1" ]; then rm -f "$2"; fi; shift 2; exec "$@"'

/**
 * Says the server's pid on standard output, ends as the server ends, and ends the server (fast) when standard input
 * does. Background commands of a shell read from /dev/null unless told otherwise, hence descriptor 3.
 */
const WATCHDOG = `
exec 3<&0
"$@" 3<&- </dev/null >&2 &
server=$!
echo "$server"
{ read -r _ <&3; kill -INT "$server"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`

/** The same for Windows, which has no shell to count on. Its pg_ctl knows how to signal a server. */
const WINDOWS_WATCHDOG = `
const { spawn, spawnSync } = require('node:child_process')
const [program, ...args] = process.argv.slice(1)
const server = spawn(program, args, { stdio: ['ignore', 2, 2], windowsHide: true })
console.log(server.pid)
server.on('exit', (code) => process.exit(code ?? 1))
process.stdin.on('end', () => spawnSync(program.replace(/postgres\\.exe$/, 'pg_ctl.exe'), ['kill', 'INT', String(server.pid)]))
process.stdin.resume()
`
