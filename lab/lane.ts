import { type GatewayProcess, type GatewaySettings, startGatewayProcess } from 'counterfoil/testing'
import type { LaneDatabase, Servers } from './servers.js'
import { WorkerProcess } from './worker-process.js'

/**
 * What one cell at a time runs on: a database, a gateway and two workers, shared with no other lane. One cell after
 * another uses them, and each finds them as new.
 */
export class Lane {
  readonly #workers: (WorkerProcess | null)[] = [null, null]
  readonly #servers: Servers
  /** Its database has a server of its own, which a cell may restart. */
  readonly mayRestart: boolean
  #database: LaneDatabase | null = null
  #gateway: GatewayProcess | null = null

  constructor(servers: Servers, options: { readonly mayRestart: boolean }) {
    this.#servers = servers
    this.mayRestart = options.mayRestart
  }

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

  /** Lets the workers go, whatever they have in hand, and brings the database back. */
  async renew(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker?.kill()))
    if (this.mayRestart) await this.#database?.server.restart()
  }

  /** Ends its processes; its database ends with its server. */
  async end(): Promise<void> {
    const workers = this.#workers.splice(0, 2, null, null)
    await Promise.all([...workers.map((worker) => worker?.end()), this.#gateway?.stop()])
  }

  async #emptyDatabase(): Promise<LaneDatabase> {
    this.#database ??= await this.#servers.database(this.mayRestart)
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

/**
 * The application's tables go; Counterfoil's stay, empty, since to make them anew costs more than a cell.
 *
 * It waits for the locks of workers that were just killed: their transactions end with their connections.
 */
const EMPTY = `
  do $$
  declare name text;
  begin
    drop schema public cascade;
    create schema public;
    for name in
      select format('%I.%I', schemaname, tablename) from pg_tables
      where schemaname = 'counterfoil' and tablename <> 'migrations'
    loop
      execute 'truncate ' || name;
    end loop;
  end $$;
`
