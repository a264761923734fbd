import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../system/index.js'
import type { Binaries } from './binaries.js'
import { type Cluster, SUPERUSER } from './cluster.js'
import { EmbeddedPostgresError } from './errors.js'
import { ownedName } from './folders.js'
import type { Server } from './handle.js'
import { ownerState, ownerTag } from './owner.js'
import { freePort } from './ports.js'
import { readPostmasterStatus, startServer } from './server.js'
import type { Supervision } from './supervision.js'
import type { UserId } from './user.js'

/** How long a start waits for a server that an ended process left behind, and which is shutting down. */
const BUSY_WAIT_MS = 30_000
const BUSY_LOOK_MS = 50
/** How often another free port is tried before the machine is held to have none. */
const PORT_TRIES = 10

export interface HostPlan {
  readonly binaries: Binaries
  readonly cluster: Cluster
  readonly user: UserId | undefined
  readonly supervision: Supervision
  readonly settings: Readonly<Record<string, string>>
  readonly port: number | undefined
}

/** Starts servers on one cluster, and says in words why it could not. */
export class Host {
  readonly #plan: HostPlan

  constructor(plan: HostPlan) {
    this.#plan = plan
  }

  /** Starts a server at the port asked for, or else at a free one. */
  async open(): Promise<{ server: Server; port: number }> {
    const asked = this.#plan.port
    if (asked !== undefined) return { server: await this.#openAt(asked, ownerState), port: asked }
    for (let tries = 1; ; tries++) {
      const port = await freePort()
      try {
        return { server: await this.#openAt(port, ownerState), port }
      } catch (error) {
        const taken = error instanceof EmbeddedPostgresError && error.code === 'port_in_use'
        if (!taken || tries >= PORT_TRIES) throw error
      }
    }
  }

  /** Starts a server again whose last one has ended: what is left of that one is ours and will go. */
  async reopen(port: number): Promise<Server> {
    return this.#openAt(port, (owner) => (owner === ownerTag() ? 'dead' : ownerState(owner)))
  }

  async #openAt(port: number, stateOf: typeof ownerState): Promise<Server> {
    const giveUpMs = realClock.monotonicMs() + BUSY_WAIT_MS
    let stalePid: number | undefined
    for (;;) {
      const result = await startServer({ ...this.#plan, port, stalePid })
      if (result.kind === 'ready') return this.#sign(result.server)
      if (result.kind === 'port_taken') throw portTaken(port, result.log)
      if (result.kind === 'failed') throw startFailed(this.#plan.cluster, result.log)
      // Somebody has the data. A living owner keeps them; the server of a dead one is on its way out.
      const owner = await readFile(this.#ownerFile(), 'utf8').catch(() => '')
      if (stateOf(owner) === 'alive' || realClock.monotonicMs() > giveUpMs) throw await this.#inUse(result.log)
      stalePid = await this.#stalePid()
      await realClock.sleep(BUSY_LOOK_MS)
    }
  }

  /** Leaves our name for others who want these data. By a rename: they never read half a name. */
  async #sign(server: Server): Promise<Server> {
    const draft = join(this.#plan.cluster.folder, ownedName('owner-'))
    try {
      await writeFile(draft, ownerTag(), { mode: 0o600 })
      await rename(draft, this.#ownerFile())
      return server
    } catch (error) {
      await server.destroy()
      throw error
    }
  }

  connectionString(port: number): string {
    return `postgresql://${SUPERUSER}:${this.#plan.cluster.password}@127.0.0.1:${port}/postgres`
  }

  #ownerFile(): string {
    return join(this.#plan.cluster.folder, 'owner')
  }

  /** The pid in PostgreSQL's lock file when it plainly is no PostgreSQL: see `lockedCommand`, which acts on it. */
  async #stalePid(): Promise<number | undefined> {
    const status = await readPostmasterStatus(this.#plan.cluster.data)
    if (status === undefined) return undefined
    const name = await readFile(`/proc/${status.pid}/comm`, 'utf8').catch(() => 'postgres')
    return name.trim() === 'postgres' ? undefined : status.pid
  }

  async #inUse(serverLog: string): Promise<EmbeddedPostgresError> {
    const status = await readPostmasterStatus(this.#plan.cluster.data)
    return new EmbeddedPostgresError(
      'data_dir_in_use',
      `Another process uses the data in ${this.#plan.cluster.folder}${status ? ` (its server has pid ${status.pid})` : ''}. ` +
        'This one started nothing and changed nothing there. Use one process per `dataDir`: stop the other, or give ' +
        "this one a folder of its own, or connect to the other's connection string.",
      { serverLog },
    )
  }
}

function portTaken(port: number, serverLog: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'port_in_use',
    `Port ${port} of 127.0.0.1 cannot be had: another program listens there, or this user may not. The server did not ` +
      'start and the data are as they were. Choose another `port`, or leave it out for a free one.',
    { serverLog },
  )
}

function startFailed(cluster: Cluster, serverLog: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'start_failed',
    `PostgreSQL did not start on ${cluster.folder}. No server runs, and the data are as they were. What it said tells ` +
      'why; often a setting in `settings` is unknown or asks for more memory than there is, or the disk is full.',
    { serverLog },
  )
}
