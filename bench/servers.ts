import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbeddedPostgres } from 'counterfoil/embedded'
import { Redis } from 'ioredis'
import pg from 'pg'
import { freePort } from '../programs/free-port.js'
import { DatabaseMeter } from './meter.js'

/** The PostgreSQL of a run: nothing else may use it, since its work is counted as a whole. */
export interface PostgresServer {
  readonly admin: pg.Client
  readonly meter: DatabaseMeter
  readonly version: string
  readonly settings: Readonly<Record<string, string>>
  /** Makes a fresh database and gives its address. */
  createDatabase(name: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  stop(): Promise<void>
}

/** PostgreSQL's own settings are kept, but for these: room for a peer's connections, and a count of statements. */
const SETTINGS = { max_connections: '300', shared_preload_libraries: 'pg_stat_statements', max_wal_size: '4GB' }

const SHOWN = ['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_sync_method']

/**
 * The server at `url`, or one of our own (PostgreSQL 18 from npm) which serves nobody else.
 *
 * @throws {Error} when it does not make its commits durable: then nothing here would mean anything.
 */
export async function openPostgres(url: string | null): Promise<PostgresServer> {
  const embedded = url === null ? await startEmbeddedPostgres({ settings: SETTINGS }) : null
  const address = url ?? embedded?.connectionString ?? ''
  const admin = new pg.Client({ connectionString: address })
  await admin.connect()
  const settings: Record<string, string> = {}
  for (const name of SHOWN) {
    const { rows } = await admin.query(`SELECT current_setting('${name}') AS value`)
    settings[name] = String(rows[0]?.value)
  }
  if (settings.fsync !== 'on' || settings.synchronous_commit !== 'on') {
    throw new Error(
      'The server has fsync or synchronous_commit off: its commits are not durable, and no figure would mean anything.',
    )
  }
  const { rows } = await admin.query("SELECT split_part(version(), ' ', 2) AS version")
  return {
    admin,
    meter: await DatabaseMeter.of(admin, embedded?.pid ?? null),
    version: String(rows[0]?.version),
    settings,
    createDatabase: async (name) => {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.query(`CREATE DATABASE ${name}`)
      const database = new URL(address)
      database.pathname = `/${name}`
      return database.href
    },
    dropDatabase: async (name) => {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
    stop: async () => {
      await admin.end()
      await embedded?.stop()
    },
  }
}

/** A server process of our own, with a folder that goes with it. */
export interface OwnServer {
  readonly url: string
  readonly version: string
  readonly pid: number
  stop(): Promise<void>
}

/** A Redis of our own with an append-only file, so that acknowledged jobs are on disk (`always`) or soon are. */
export async function startRedis(appendfsync: 'everysec' | 'always'): Promise<OwnServer | null> {
  const folder = await mkdtemp(join(tmpdir(), 'counterfoil-bench-redis-'))
  const port = await freePort()
  const options = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes']
  const child = spawn(
    'redis-server',
    [...options.map(String), '--appendfsync', appendfsync, '--maxmemory-policy', 'noeviction'],
    {
      stdio: 'ignore',
    },
  )
  if (!(await hasStarted(child))) return null
  const url = `redis://127.0.0.1:${port}`
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  redis.on('error', () => undefined)
  const info = await redis.info('server')
  redis.disconnect()
  return {
    url,
    version: /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown',
    pid: child.pid ?? 0,
    stop: () => endOf(child, folder),
  }
}

async function hasStarted(child: ChildProcess): Promise<boolean> {
  return Promise.race([once(child, 'error').then(() => false), once(child, 'spawn').then(() => sleep(50, true))])
}

async function endOf(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  await rm(folder, { recursive: true, force: true })
}
