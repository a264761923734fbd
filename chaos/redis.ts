import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../programs/free-port.js'

export const NO_REDIS =
  'There is no redis-server binary here (Debian: apt-get install redis-server; macOS: brew install redis), so leases are ' +
  'kept in PostgreSQL and no fault strikes Redis.'

/** Whether this machine has a Redis to start. */
export function hasRedisServer(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** A Redis of the run's own, which it may flush and kill. It writes nothing to disk, so a restart forgets all. */
export class OwnRedis {
  readonly port: number
  readonly #folder: string
  #child: ChildProcess | null = null

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  static async start(): Promise<OwnRedis> {
    const redis = new OwnRedis(await freePort(), await mkdtemp(join(tmpdir(), 'counterfoil-chaos-redis-')))
    await redis.#launch()
    return redis
  }

  async flush(): Promise<void> {
    await this.#ask((client) => client.flushall())
  }

  /** SIGKILL, and a new one at the same port. */
  async restart(): Promise<void> {
    await this.#kill()
    await this.#launch()
  }

  async stop(): Promise<void> {
    await this.#kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #launch(): Promise<void> {
    const settings = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder]
    const child = spawn('redis-server', settings, { stdio: 'ignore' })
    this.#child = child
    const killWithUs = (): boolean => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    child.once('exit', () => process.off('exit', killWithUs))
    while (!(await this.#ask((client) => client.ping()).catch(() => null))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`redis-server ended (${child.signalCode ?? `exit code ${child.exitCode}`}).`)
      }
      await sleep(10)
    }
  }

  async #kill(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async #ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis({ port: this.port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await question(client)
    } finally {
      client.disconnect()
    }
  }
}
