import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { runCommand } from './command.js'

/**
 * Names a process so that another one can later tell whether it still runs: `<pid>.<start>.<space>`, fit for a file
 * name. A bare pid will not do: pids are reused, and a folder may be shared between containers, where the same number
 * means another process. `start` is the kernel's start tick, `space` a digest of boot and pid namespace.
 */
export function ownerTag(): string {
  return `${process.pid}.${startTick(process.pid)}.${processSpace()}`
}

/** Whether the process that made this tag runs. `unknown`: it belongs to another container or machine, or is garbled. */
export function ownerState(tag: string): 'alive' | 'dead' | 'unknown' {
  const [pidText, start, space] = tag.split('.')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0 || space !== processSpace()) return 'unknown'
  if (!isRunning(pid)) return 'dead'
  return startTick(pid) === start ? 'alive' : 'dead'
}

/** Whether a process with this pid runs here. A zombie does not: it holds nothing, and some containers never reap it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there, but somebody else's.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
  }
  return process.platform !== 'linux' || procStat(pid)?.[0] !== 'Z'
}

/** The pids of the direct children of `parent`. Windows: none, since nothing there asks. */
export async function childrenOf(parent: number): Promise<number[]> {
  if (process.platform === 'win32') return []
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).map(Number).filter(Number.isSafeInteger)
    return pids.filter((pid) => Number(procStat(pid)?.[1]) === parent)
  }
  const { output } = await runCommand('ps', ['-A', '-o', 'pid=,ppid='])
  const rows = output.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  return rows.flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []))
}

function startTick(pid: number): string {
  return procStat(pid)?.[19] ?? '0'
}

/** The fields of /proc/<pid>/stat after the command name (which may itself hold spaces and brackets): state, ppid, … */
function procStat(pid: number): string[] | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

function processSpace(): string {
  let space = hostname()
  try {
    space += readFileSync('/proc/sys/kernel/random/boot_id', 'utf8') + readlinkSync('/proc/self/ns/pid')
  } catch {
    // Not Linux: the host name is what there is.
  }
  return createHash('sha256').update(space).digest('hex').slice(0, 12)
}
