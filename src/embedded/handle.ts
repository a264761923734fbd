import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { realClock } from '../system/index.js'
import type { Binaries } from './binaries.js'
import { runCommand } from './command.js'
import { childrenOf, isRunning } from './owner.js'
import type { Supervision } from './supervision.js'

/** A running PostgreSQL server process and its children. */
export interface Server {
  readonly pid: number
  /** Resolves when the server's main process has ended. */
  readonly ended: Promise<void>
  readonly hasEnded: () => boolean
  /** `fast` rolls open transactions back and shuts down cleanly; `immediate` leaves the rest to crash recovery. */
  signal(mode: 'fast' | 'immediate'): Promise<void>
  /** SIGKILLs the main process and all its children at one moment, as a crash of the machine would. */
  destroy(): Promise<void>
}

/** The handle of a server just launched; undefined when it ended before it said which pid it has. */
export async function trackServer(
  child: ChildProcess,
  plan: { readonly binaries: Binaries; readonly supervision: Supervision },
): Promise<Server | undefined> {
  let hasEnded = child.exitCode !== null || child.signalCode !== null
  const ended = hasEnded
    ? Promise.resolve()
    : new Promise<void>((resolve) => {
        child.once('exit', () => {
          hasEnded = true
          resolve()
        })
      })
  const pid = plan.supervision.kind === 'parent-death-signal' ? child.pid : await announcedPid(child, ended)
  if (pid === undefined) {
    await ended
    return undefined
  }
  return {
    pid,
    ended,
    hasEnded: () => hasEnded,
    signal: (mode) => signalServer(plan.binaries, pid, mode),
    destroy: async () => {
      await destroyServer(pid)
      await ended
    },
  }
}

/** The watchdog starts the server as its child and says its pid on the first line of its output. */
async function announcedPid(child: ChildProcess, ended: Promise<void>): Promise<number | undefined> {
  if (child.stdout === null) return undefined
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([once(lines, 'line'), ended])
  lines.close()
  const pid = Number(first?.[0])
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
}

/** A server in the background keeps no application alive: it ends with it. */
export function unreference(child: ChildProcess): void {
  child.unref()
  for (const stream of [child.stdin, child.stdout]) {
    if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref()
  }
}

async function signalServer(binaries: Binaries, pid: number, mode: 'fast' | 'immediate'): Promise<void> {
  const signal = mode === 'fast' ? 'SIGINT' : 'SIGQUIT'
  // Windows has no signals; PostgreSQL brings its own.
  if (process.platform === 'win32') await runCommand(binaries.pgCtl, ['kill', signal.slice(3), String(pid)])
  else sendSignal(pid, signal)
}

async function destroyServer(pid: number): Promise<void> {
  // Stopped first, so that no child is born between the count and the kill. PostgreSQL puts every child into a session
  // of its own: a signal to the process group would reach the main process alone.
  if (process.platform !== 'win32') sendSignal(pid, 'SIGSTOP')
  const children = await childrenOf(pid)
  for (const each of [pid, ...children]) sendSignal(each, 'SIGKILL')
  // They are no children of ours: the kernel tells us nothing of their end.
  while (children.some(isRunning)) await realClock.sleep(2)
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended already, which is what every signal here is for.
  }
}
