import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from 'counterfoil/embedded'
import { migrate } from 'counterfoil/postgres'
import { type GatewayProcess, startGatewayProcess } from 'counterfoil/testing'
import { Pool } from 'pg'
import { TcpProxy } from './proxy.js'
import { hasRedisServer, OwnRedis } from './redis.js'
import { SHOP_SCHEMA } from './shop.js'
import { SmallDisk } from './small-disk.js'
import { SEARCH_LAG_MS } from './timing.js'
import { WallClock } from './wall-clock.js'
import { Worker } from './worker.js'

/** Wall clocks of the workers' own, or a disk of the database's own. */
export type Need = 'small-disk' | 'wall-clocks'

/** A worker that was stopped, by the gateway's clock, which is the machine's. */
export interface Stop {
  /** Who it is in the gateway's log. */
  readonly client: string
  readonly fromMs: number
  /** When it was woken. */
  readonly untilMs: number
}

/** A place for a worker, which is filled anew when its worker was killed, and the network between it and the servers. */
export class Place {
  readonly toDatabase: TcpProxy
  readonly toRedis: TcpProxy | null
  /** Null: its workers have the machine's. */
  readonly wallClock: WallClock | null
  readonly #start: () => Worker
  /** All that may still live: one that was asked to end takes its time. */
  readonly #alive = new Set<Worker>()
  #worker: Worker
  #isClosed = false

  constructor(parts: Pick<Place, 'toDatabase' | 'toRedis' | 'wallClock'>, start: () => Worker) {
    this.toDatabase = parts.toDatabase
    this.toRedis = parts.toRedis
    this.wallClock = parts.wallClock
    this.#start = start
    this.#worker = this.#begin()
  }

  get worker(): Worker {
    return this.#worker
  }

  /** SIGKILLs its worker, and lets another begin. */
  async replaceKilled(): Promise<void> {
    const killed = this.#worker
    await killed.kill()
    // Where another strike has filled the place meanwhile, a second one would live on unseen beside it.
    if (this.#worker === killed && !this.#isClosed) this.#worker = this.#begin()
  }

  /** Ends its workers, and what stands around them. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#alive].map((worker) => worker.kill()))
    await Promise.all([this.toDatabase.close(), this.toRedis?.close(), this.wallClock?.close()])
  }

  /** Asks its worker to end (SIGTERM) and lets another begin beside it, as a rolling deploy does. */
  async replaceStopped(): Promise<void> {
    const leaving = this.#worker
    this.#worker = this.#begin()
    leaving.signal('SIGTERM')
    await leaving.exited
  }

  #begin(): Worker {
    const worker = this.#start()
    this.#alive.add(worker)
    void worker.exited.then(() => this.#alive.delete(worker))
    return worker
  }
}

/** The parts that chaos strikes: real servers and real processes. */
export interface World {
  readonly postgres: EmbeddedPostgres
  readonly gateway: GatewayProcess
  readonly redis: OwnRedis | null
  /** The database's own disk; null: it lies on the machine's. */
  readonly disk: SmallDisk | null
  readonly places: readonly Place[]
  /** For the run itself, past all proxies. */
  readonly pool: Pool
  /** When workers were stopped (SIGSTOP). */
  readonly stops: Stop[]
  /** What workers reported of errors outside one effect, and how often. */
  readonly errors: Map<string, number>
  close(): Promise<void>
}

export interface WorldPlan {
  readonly workers: number
  readonly lease: 'postgres' | 'redis'
  readonly seed: number
  readonly needs: ReadonlySet<Need>
}

/** Starts everything. Whatever was started ends with `close`, and with this process. */
export async function openWorld(plan: WorldPlan): Promise<World> {
  const closing: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each()
  }
  try {
    const disk = plan.needs.has('small-disk') ? await SmallDisk.mount() : null
    if (disk !== null) closing.push(() => disk.unmount())
    const postgres = await startEmbeddedPostgres({
      settings: { max_connections: '100', max_wal_size: '256MB' },
      ...(disk === null ? {} : { dataDir: join(disk.folder, 'postgres') }),
    })
    closing.push(() => postgres.stop())
    const gateway = await startGatewayProcess({ seed: plan.seed, searchLagMs: SEARCH_LAG_MS })
    closing.push(() => gateway.stop())
    const redis = plan.lease === 'redis' && hasRedisServer() ? await OwnRedis.start() : null
    if (redis !== null) closing.push(() => redis.stop())
    const pool = new Pool({ connectionString: postgres.connectionString, max: 4, connectionTimeoutMillis: 5_000 })
    pool.on('error', () => undefined)
    closing.push(() => pool.end())
    await pool.query(SHOP_SCHEMA)
    await migrate(pool)
    const errors = new Map<string, number>()
    const places: Place[] = []
    closing.push(() => Promise.all(places.map((place) => place.close())))
    const parts = { postgres, gateway, redis, errors, hasWallClock: plan.needs.has('wall-clocks') }
    for (let i = 0; i < plan.workers; i++) places.push(await openPlace(i, parts))
    await Promise.all(places.map((place) => place.worker.ready))
    return { postgres, gateway, redis, disk, places, pool, stops: [], errors, close }
  } catch (error) {
    await close()
    throw error
  }
}

type Parts = Pick<World, 'errors' | 'gateway' | 'postgres' | 'redis'> & { readonly hasWallClock: boolean }

async function openPlace(number: number, { postgres, gateway, redis, errors, hasWallClock }: Parts): Promise<Place> {
  const toDatabase = await TcpProxy.to(postgres)
  const toRedis = redis === null ? null : await TcpProxy.to({ host: '127.0.0.1', port: redis.port })
  const url = new URL(postgres.connectionString)
  url.port = String(toDatabase.port)
  const { host, port } = gateway
  const plan = { databaseUrl: url.href, redisPort: toRedis?.port ?? null }
  let started = 0
  const note = (message: string): void => void errors.set(message, (errors.get(message) ?? 0) + 1)
  const wallClock = hasWallClock ? await WallClock.open() : null
  return new Place({ toDatabase, toRedis, wallClock }, () => {
    const client = `worker-${number}-${++started}`
    return new Worker({ ...plan, gateway: { host, port, client } }, wallClock, note)
  })
}
