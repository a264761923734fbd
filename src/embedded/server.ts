import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { type FileHandle, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../system/index.js'
import type { Binaries } from './binaries.js'
import type { Cluster } from './cluster.js'
import { serverEnvironment, spawnIdentity } from './command.js'
import { type Server, trackServer, unreference } from './handle.js'
import { openStartLog } from './log.js'
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

/** Starts the server and waits until it takes connections or has given up. */
export async function startServer(plan: ServerPlan): Promise<StartResult> {
  const log = await openStartLog(plan.cluster.folder)
  const notices = new Notices(plan.cluster.data)
  try {
    const before = await readPostmasterFile(plan.cluster.data)
    const child = await launch(plan, log.handle)
    const server = await untilReady(plan, child, notices, before)
    if (server === undefined) {
      const text = await log.take()
      return { kind: classify(child.exitCode, text), log: text }
    }
    await log.keep()
    return { kind: 'ready', server }
  } finally {
    notices.close()
    await log.handle.close()
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

/**
 * The server once it is ready; undefined once it has ended without becoming so. `before` is PostgreSQL's lock file as an
 * earlier server may have left it, which in a container can even name the very pid of the new one.
 */
async function untilReady(
  plan: ServerPlan,
  child: ChildProcess,
  notices: Notices,
  before: string,
): Promise<Server | undefined> {
  const server = await trackServer(child, plan)
  const deadlineMs = realClock.monotonicMs() + START_TIMEOUT_MS
  while (server !== undefined && !server.hasEnded()) {
    const changed = notices.next()
    const text = await readPostmasterFile(plan.cluster.data)
    const status = text === before ? undefined : parsePostmasterFile(text)
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

export interface PostmasterStatus {
  readonly pid: number
  /** `starting`, `ready`, `stopping` or `standby`: the file's eighth line, kept up to date by the server. */
  readonly state: string
}

/** What PostgreSQL's own lock file says; undefined when there is none. */
export async function readPostmasterStatus(data: string): Promise<PostmasterStatus | undefined> {
  return parsePostmasterFile(await readPostmasterFile(data))
}

function readPostmasterFile(data: string): Promise<string> {
  return readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
}

function parsePostmasterFile(text: string): PostmasterStatus | undefined {
  const lines = text.split('\n')
  const pid = Number(lines[0])
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, state: lines[7]?.trim() ?? '' } : undefined
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
