import { Redis } from 'ioredis'
import { hasPgbench } from './has-pgbench.js'
import { type RestatePlace, type RestateServer, restateProgram, startRestate } from './restate.js'
import { type OwnServer, openPostgres, type PostgresServer, startRedis } from './servers.js'
import { ServiceProcess } from './service/channel.js'
import type { System } from './system.js'

/** Where a client is sent. */
export interface Address {
  readonly system: string
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly restate: RestatePlace | null
  readonly serviceUrl: string
}

/** The servers of a run: the same for all systems. */
export class Ground {
  readonly postgres: PostgresServer
  readonly service: ServiceProcess
  /** Arguments for Node itself in clients, for a profile. */
  readonly clientArguments: readonly string[]
  readonly #hasPgbench: boolean
  readonly #redis: Readonly<Record<'everysec' | 'always', OwnServer | null>>
  #databases = 0
  readonly #restateProgram = restateProgram()
  #restate: RestateServer | null = null

  private constructor(
    postgres: PostgresServer,
    service: ServiceProcess,
    redis: Readonly<Record<'everysec' | 'always', OwnServer | null>>,
    own: { readonly clientArguments: readonly string[]; readonly hasPgbench: boolean },
  ) {
    this.postgres = postgres
    this.service = service
    this.#redis = redis
    this.clientArguments = own.clientArguments
    this.#hasPgbench = own.hasPgbench
  }

  /** Starts what the systems need. */
  static async open(
    systems: readonly System[],
    options: { readonly postgresUrl: string | null; readonly clientArguments: readonly string[] },
  ): Promise<Ground> {
    const needs = new Set(systems.map((system) => system.needsRedis))
    const redisFor = (mode: 'everysec' | 'always'): Promise<OwnServer | null> =>
      needs.has(mode) ? startRedis(mode) : Promise.resolve(null)
    const [postgres, service, everysec, always] = await Promise.all([
      openPostgres(options.postgresUrl),
      ServiceProcess.start(),
      redisFor('everysec'),
      redisFor('always'),
    ])
    return new Ground(
      postgres,
      service,
      { everysec, always },
      {
        clientArguments: options.clientArguments,
        hasPgbench: await hasPgbench(),
      },
    )
  }

  /** Why the system cannot be measured here; null when it can. */
  lacks({ needsRedis, needsRestate, pgbench }: System): string | null {
    if (needsRestate === true && this.#restateProgram === null)
      return 'no Restate server from npm for this kind of machine'
    if (pgbench !== undefined && !this.#hasPgbench)
      return 'no pgbench on this machine (Debian: apt-get install postgresql-contrib)'
    return needsRedis !== undefined && this.#redis[needsRedis] === null
      ? 'no redis-server on this machine (Debian: apt-get install redis-server; macOS: brew install redis)'
      : null
  }

  get redisVersion(): string | null {
    return this.#redis.always?.version ?? this.#redis.everysec?.version ?? null
  }

  /** A new database, an emptied Redis, a Restate that has begun anew, and a service that has forgotten all. */
  async fresh(system: System, gatewayMs: number): Promise<Address> {
    const databaseUrl = await this.postgres.createDatabase(`bench_${++this.#databases}`)
    await this.postgres.admin.query('CHECKPOINT')
    await this.service.reset(gatewayMs)
    const redis = system.needsRedis === undefined ? null : this.#redis[system.needsRedis]
    if (redis !== null) await emptied(redis.url)
    const restate = system.needsRestate === true ? await this.#newRestate() : null
    return { system: system.name, databaseUrl, redisUrl: redis?.url ?? '', restate, serviceUrl: this.service.url }
  }

  async #newRestate(): Promise<RestatePlace | null> {
    await this.#restate?.stop()
    this.#restate = this.#restateProgram === null ? null : await startRestate(this.#restateProgram)
    if (this.#restate === null) return null
    const { ingressUrl, adminUrl, workerPort } = this.#restate
    return { ingressUrl, adminUrl, workerPort }
  }

  /** Removes the database that was made last, and a Restate with it. */
  async clear(): Promise<void> {
    await this.#restate?.stop()
    this.#restate = null
    await this.postgres.dropDatabase(`bench_${this.#databases}`)
  }

  async close(): Promise<void> {
    this.service.stop()
    await this.#restate?.stop()
    await Promise.all([this.postgres.stop(), this.#redis.everysec?.stop(), this.#redis.always?.stop()])
  }
}

async function emptied(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushall()
  redis.disconnect()
}
