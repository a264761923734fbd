import { type EmbeddedPostgres, startEmbeddedPostgres } from 'counterfoil/embedded'
import { Redis } from 'ioredis'
import pg from 'pg'
import { type Cell, type CellDatabase, nameOf } from './cell.js'

/** Enough for every worker of every lane. */
const SETTINGS = { max_connections: '250' }

/** The lab's database server, with a database for every cell; a cell that restarts its server gets one of its own. */
export class Databases {
  readonly #server: EmbeddedPostgres
  readonly #own = new Set<EmbeddedPostgres>()
  #count = 0

  private constructor(server: EmbeddedPostgres) {
    this.#server = server
  }

  static async start(): Promise<Databases> {
    return new Databases(await startEmbeddedPostgres({ settings: SETTINGS }))
  }

  async open(cell: Cell): Promise<CellDatabase> {
    return cell.fault.ownDatabase === true ? this.#openServer() : this.#openDatabase(nameOf(cell))
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#own, this.#server].map((server) => server.stop()))
  }

  async #openServer(): Promise<CellDatabase> {
    const server = await startEmbeddedPostgres({ settings: SETTINGS })
    this.#own.add(server)
    return {
      url: server.connectionString,
      restart: () => server.restart({ mode: 'immediate' }),
      release: async () => {
        await server.stop()
        this.#own.delete(server)
      },
    }
  }

  async #openDatabase(cellName: string): Promise<CellDatabase> {
    this.#count += 1
    const name = `cell_${this.#count}_${cellName.replaceAll(/[^a-z0-9]+/g, '_')}`
    await this.#administer(`create database ${name}`)
    const url = new URL(this.#server.connectionString)
    url.pathname = `/${name}`
    return {
      url: url.href,
      restart: () => Promise.reject(new Error('Other cells use this server: only a cell with its own restarts it.')),
      release: () => this.#administer(`drop database ${name} with (force)`),
    }
  }

  async #administer(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#server.connectionString })
    await client.connect()
    try {
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
}

/** Whether a Redis answers there. */
export async function isRedisReachable(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 1_000, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.ping()
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
