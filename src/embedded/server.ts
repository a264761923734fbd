import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { realClock } from '../system/index.js'
import type { Binaries } from './binaries.js'
import type { Cluster } from './cluster.js'
import { runCommand, serverEnvironment, spawnIdentity } from './command.js'
import { childrenOf, isRunning } from './owner.js'
import { LOCK_HELD_EXIT_CODE, type Supervision, supervised } from './supervision.js'
import type { UserId } from './user.js'

/** Crash recovery of the default 1 GB of WAL takes seconds; past this the machine is in trouble. */
const START_TIMEOUT_MS = 180_000
/** File-change notices are the signal; where a file system gives none, this is how late readiness is seen. */
const SLOW_LOOK_MS = 200

export interface ServerPlan {
  readonly binaries: Binaries
  readonly cluster: Cluster
  readonly user: UserId | undefined
  readonly supervision: Supervision
  readonly port: number
  readonly settings: Readonly<Record<string, string>>
  /** A dead process's pid in postmaster.pid that now belongs to some other program; see `stalePid`. */
  readonly stalePid?: number | undefined
}

/** What became of an attempt to start. */
export type StartResult =
  | { readonly kind: 'ready'; readonly server: Server }
  | { readonly kind: 'busy' | 'port_taken' | 'failed'; readonly log: string }

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

/** Starts the server and waits until it takes connections or has given up. */
export async function startServer(plan: ServerPlan): Promise<StartResult> {
  const { cluster } = plan
  // Each attempt writes a log of its own: a second starter must not touch the log of the server that runs.
  const logFile = join(cluster.folder, `start-${process.pid}-${realClock.wallMs()}.log`)
  const log = await open(logFile, 'w+', 0o600)
  try {
    const notices = new Notices(cluster.data)
    try {
      const child = await launch(plan, log)
      const server = await untilReady(plan, child, notices)
      if (server !== undefined) {
        await keepLog(cluster.folder, logFile)
        return { kind: 'ready', server }
      }
      const text = await readLog(log)
      await rm(logFile, { force: true })
      return { kind: classify(child.exitCode, text), log: text }
    } finally {
      notices.close()
    }
  } finally {
    await log.close()
  }
}

function classify(exitCode: number | null, log: string): 'busy' | 'port_taken' | 'failed' {
  if (exitCode === LOCK_HELD_EXIT_CODE) return 'busy'
  if (/lock file "postmaster\.pid" already exists|pre-existing shared memory block/.test(log)) return 'busy'
  if (/could not bind|could not create any TCP\/IP sockets/.test(log)) return 'port_taken'
  return 'failed'
}

async function launch(plan: ServerPlan, log: FileHandle): Promise<ChildProcess> {
  const settings = Object.entries(plan.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const postgres = [plan.binaries.postgres, '-D', plan.cluster.data, '-p', String(plan.port), ...settings]
  const [program, ...args] = supervised(plan.supervision, postgres, plan)
  const child = spawn(program, args, {
    ...spawnIdentity(plan.user),
    cwd: plan.cluster.data,
    env: serverEnvironment(),
    // A session of its own: a Ctrl-C in the terminal must reach the application first, which then stops the server.
    detached: true,
    stdio: plan.supervision.kind === 'parent-death-signal' ? ['ignore', log.fd, log.fd] : ['pipe', 'pipe', log.fd],
    windowsHide: true,
  })
  await once(child, 'spawn')
  return child
}

/** The server once it is ready; undefined once it has ended without becoming so. */
async function untilReady(plan: ServerPlan, child: ChildProcess, notices: Notices): Promise<Server | undefined> {
  const server = await trackServer(plan, child)
  const deadlineMs = realClock.monotonicMs() + START_TIMEOUT_MS
  while (server !== undefined && !server.hasEnded()) {
    const changed = notices.next()
    const status = await readPostmasterStatus(plan.cluster.data)
    if (status?.pid === server.pid && status.state === 'ready') {
      unreference(child)
      return server
    }
    if (realClock.monotonicMs() > deadlineMs) {
      await server.destroy()
      break
    }
    const looked = new AbortController()
    await Promise.race([changed, server.ended, realClock.sleep(SLOW_LOOK_MS, looked.signal)])
    looked.abort()
  }
  await server?.ended
  return undefined
}

async function trackServer(plan: ServerPlan, child: ChildProcess): Promise<Server | undefined> {
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
function unreference(child: ChildProcess): void {
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

export interface PostmasterStatus {
  readonly pid: number
  /** `starting`, `ready`, `stopping` or `standby`: the file's eighth line, kept up to date by the server. */
  readonly state: string
}

/** What PostgreSQL's own lock file says; undefined when there is none. */
export async function readPostmasterStatus(data: string): Promise<PostmasterStatus | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number(lines[0])
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, state: lines[7]?.trim() ?? '' } : undefined
}

/** The log of the server that won becomes `server.log`; the one before it is kept, older ones go. */
async function keepLog(folder: string, logFile: string): Promise<void> {
  const current = join(folder, 'server.log')
  try {
    await rename(current, join(folder, 'server.log.1')).catch(() => undefined)
    await rename(logFile, current)
    for (const name of await readdir(folder)) {
      if (/^start-.*\.log$/.test(name)) await rm(join(folder, name), { force: true })
    }
  } catch {
    // Windows renames no open file; the log then keeps its first name.
  }
}

async function readLog(log: FileHandle): Promise<string> {
  const { size } = await log.stat()
  const length = Math.min(size, 4000)
  const { buffer } = await log.read(Buffer.alloc(length), 0, length, size - length)
  return buffer.toString('utf8')
}

/** Tells that something in a folder changed. */
class Notices {
  readonly #watcher: ReturnType<typeof watch> | undefined
  #wake: (() => void) | undefined

  constructor(folder: string) {
    try {
      this.#watcher = watch(folder, () => this.#wake?.())
      this.#watcher.on('error', () => undefined)
    } catch {
      // No watches left on this machine: the slow look finds it.
      this.#watcher = undefined
    }
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.#watcher?.close()
  }
}
