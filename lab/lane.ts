import { type EmbeddedPostgres, startEmbeddedPostgres } from 'counterfoil/embedded'
import { type GatewayProcess, type GatewaySettings, startGatewayProcess } from 'counterfoil/testing'
import type pg from 'pg'
import { openPool } from './database.js'
import { WorkerProcess } from './worker-process.js'

/**
 * What one cell at a time runs on: a database server, a gateway and two workers, each a process of its own, shared
 * with no other lane. One cell after another uses them, and each finds them as new.
 */
export class Lane {
  readonly #workers: (WorkerProcess | null)[] = [null, null]
  #database: LaneDatabase | null = null
  #gateway: GatewayProcess | null = null

  /** Database and gateway, empty. Both are started when they are first needed. */
  async prepare(settings: GatewaySettings): Promise<{ database: LaneDatabase; gateway: GatewayProcess }> {
    const [database, gateway] = await Promise.all([this.#emptyDatabase(), this.#emptyGateway(settings)])
    return { database, gateway }
  }

  /** The worker of that place, started if there is none that lives. */
  async worker(place: number): Promise<WorkerProcess> {
    const existing = this.#workers[place]
    if (existing?.isAlive === true) return existing
    const started = await WorkerProcess.start()
    this.#workers[place] = started
    return started
  }

  /** Ends all of it. */
  async end(): Promise<void> {
    const workers = this.#workers.splice(0, 2, null, null)
    await Promise.all([...workers.map((worker) => worker?.end()), this.#gateway?.stop(), this.#endDatabase()])
  }

  async #endDatabase(): Promise<void> {
    await this.#database?.pool.end()
    await this.#database?.server.stop()
  }

  async #emptyDatabase(): Promise<LaneDatabase> {
    if (this.#database === null) {
      const server = await startEmbeddedPostgres()
      this.#database = { server, pool: openPool(server.connectionString, 1) }
    }
    await this.#database.pool.query(EMPTY)
    return this.#database
  }

  async #emptyGateway(settings: GatewaySettings): Promise<GatewayProcess> {
    this.#gateway ??= await startGatewayProcess()
    await this.#gateway.control.reset()
    await this.#gateway.control.configure(settings)
    return this.#gateway
  }
}

/** A lane's server, and the lab's own connection to it. */
export interface LaneDatabase {
  readonly server: EmbeddedPostgres
  readonly pool: pg.Pool
}

/** It waits for the locks of workers that were just killed: their transactions end with their connections. */
const EMPTY = `
  do $$
  declare name text;
  begin
    for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
      execute format('drop schema %I cascade', name);
    end loop;
    create schema public;
  end $$;
`
