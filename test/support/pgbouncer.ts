import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../programs/free-port.js'

export interface PgBouncer {
  /** The same database as the one behind it, through the pooler in transaction mode. */
  readonly connectionString: string
  stop(): Promise<void>
}

/** Whether PgBouncer is installed; said loudly where it is not, and with CI=true an error. */
export function hasPgBouncer(): boolean {
  if (spawnSync('pgbouncer', ['--version']).status === 0) return true
  const missing = 'PgBouncer is not installed (Debian: apt-get install pgbouncer)'
  if (process.env.CI === 'true') throw new Error(`${missing}, and with CI=true nothing may be skipped.`)
  console.warn(`NOT TESTED HERE: what needs PgBouncer. ${missing}.`)
  return false
}

/** Starts a PgBouncer in transaction mode before a database: two server connections for however many clients. */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer> {
  const behind = new URL(databaseUrl)
  const folder = mkdtempSync(join(tmpdir(), 'counterfoil-pgbouncer-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const name = behind.pathname.slice(1)
  const server = `host=${behind.hostname} port=${behind.port || 5432} user=${behind.username || 'postgres'} password='${decodeURIComponent(behind.password)}'`
  const config = [
    '[databases]',
    `${name} = dbname=${name} ${server}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 2',
    'max_client_conn = 200',
    'ignore_startup_parameters = extra_float_digits',
  ]
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(file, config.join('\n'))
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn('pgbouncer', [...user, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  await ready(child)
  return {
    connectionString: `postgresql://anyone@127.0.0.1:${port}/${name}`,
    stop: async () => {
      const gone = once(child, 'exit')
      if (child.exitCode === null && child.kill('SIGKILL')) await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`PgBouncer ended with ${code}:\n${said.join('\n')}`)))
    if (child.stderr === null) return reject(new Error('PgBouncer has no standard error.'))
    createInterface(child.stderr).on('line', (line) => {
      said.push(line)
      if (line.includes('process up')) resolve()
    })
  })
}
