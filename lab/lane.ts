import { type EmbeddedPostgres, startEmbeddedPostgres } from 'counterfoil/embedded'
import { type GatewayProcess, type GatewaySettings, startGatewayProcess } from 'counterfoil/testing'
import pg from 'pg'
import { WorkerProcess } from './worker-process.js'

/**
 * What one cell at a time runs on: a database server, a gateway and two workers, each a process of its own, shared
 * with no other lane. One cell after another uses them, and each finds them as new.
 */
export class Lane {
  readonly #workers: (WorkerProcess | null)[] = [null, null]
  #database: EmbeddedPostgres | null = null
  #gateway: GatewayProcess | null = null

  /** Database and gateway, empty. Both are started when they are first needed. */
  async prepare(settings: GatewaySettings): Promise<{ database: EmbeddedPostgres; gateway: GatewayProcess }> {
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
    await Promise.all([...workers.map((worker) => worker?.end()), this.#gateway?.stop(), this.#database?.stop()])
  }

  async #emptyDatabase(): Promise<EmbeddedPostgres> {
    if (this.#database === null) {
      this.#database = await startEmbeddedPostgres()
      return this.#database
    }
    const client = new pg.Client({ connectionString: this.#database.connectionString })
    await client.connect()
    try {
      await client.query(EMPTY)
    } finally {
      await client.end()
    }
    return this.#database
  }

  async #emptyGateway(settings: GatewaySettings): Promise<GatewayProcess> {
    this.#gateway ??= await startGatewayProcess()
    await this.#gateway.control.reset()
    await this.#gateway.control.configure(settings)
    return this.#gateway
  }
}

/** What a killed worker left open is ended first: its locks would be in the way. */
const EMPTY = `
  select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  do $$
  declare name text;
  begin
    for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
      execute format('drop schema %I cascade', name);
    end loop;
    create schema public;
  end $$;
`
