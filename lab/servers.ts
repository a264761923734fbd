import { type EmbeddedPostgres, startEmbeddedPostgres } from 'counterfoil/embedded'
import type pg from 'pg'
import { openPool } from './database.js'

/** All lanes' workers together, each with its pools. */
const MAX_CONNECTIONS = '300'

/** The database of a lane, and the lab's own connection to it. */
export interface LaneDatabase {
  readonly server: EmbeddedPostgres
  readonly connectionString: string
  readonly pool: pg.Pool
}

/**
 * The lab's PostgreSQL servers: one that lanes share, each with a database of its own, and one for each lane that may
 * restart its server. A server costs more to start than many cells cost to run.
 */
export class Servers {
  #shared: Promise<EmbeddedPostgres> | null = null
  readonly #databases: LaneDatabase[] = []
  readonly #started: Promise<EmbeddedPostgres>[] = []

  /** A new database; `ownServer`: on a server that nothing else uses. */
  async database(ownServer: boolean): Promise<LaneDatabase> {
    const server = await (ownServer ? this.#start() : this.#sharedServer())
    const name = `lane_${this.#databases.length + 1}`
    const connectionString = withDatabase(server.connectionString, name)
    const database = { server, connectionString, pool: openPool(connectionString, 1) }
    this.#databases.push(database)
    const admin = openPool(server.connectionString, 1)
    try {
      await admin.query(`create database ${name}`)
    } finally {
      await admin.end()
    }
    return database
  }

  /** Ends all of them. */
  async end(): Promise<void> {
    await Promise.all(this.#databases.map(({ pool }) => pool.end()))
    const started = await Promise.allSettled(this.#started)
    await Promise.all(started.map((each) => (each.status === 'fulfilled' ? each.value.stop() : undefined)))
  }

  #sharedServer(): Promise<EmbeddedPostgres> {
    this.#shared ??= this.#start()
    return this.#shared
  }

  #start(): Promise<EmbeddedPostgres> {
    const starting = startEmbeddedPostgres({ settings: { max_connections: MAX_CONNECTIONS } })
    this.#started.push(starting)
    return starting
  }
}

function withDatabase(connectionString: string, name: string): string {
  const url = new URL(connectionString)
  url.pathname = `/${name}`
  return url.href
}
