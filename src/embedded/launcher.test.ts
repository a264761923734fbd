import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, EmbeddedPostgresError, startEmbeddedPostgres } from './index.js'
import { childrenOf, isRunning } from './owner.js'

async function query(connectionString: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function refusal(start: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error = await start.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof EmbeddedPostgresError) return error
  throw new Error(`expected an EmbeddedPostgresError, got ${String(error)}`)
}

let folder: string
/** A data folder whose server is down. */
let idle: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  // As root, the server's user passes through.
  if (process.getuid?.() === 0) await chmod(folder, 0o755)
  idle = join(folder, 'idle')
  await (await startEmbeddedPostgres({ dataDir: idle })).stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a running embedded PostgreSQL', () => {
  let server: EmbeddedPostgres
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { max_connections: '20' } })
  })
  afterAll(() => server.stop())

  it('is PostgreSQL 18 with fsync, the settings asked for, and the same text order everywhere', async () => {
    const [row] = await query(
      server.connectionString,
      `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS pages, current_setting('max_connections') AS connections,
        current_setting('data_checksums') AS checksums, current_setting('TimeZone') AS zone,
        (SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'postgres') AS locale`,
    )
    expect(row).toEqual({
      major: 18,
      fsync: 'on',
      pages: 'on',
      connections: '20',
      checksums: 'on',
      zone: 'UTC',
      locale: 'b C.UTF-8',
    })
  })

  it('lets nobody in without the password, which lies in a file of mode 0600', async () => {
    const url = new URL(server.connectionString)
    const passwordFile = join(server.dataDir, 'cluster', 'password')
    expect(readFileSync(passwordFile, 'utf8').trim()).toBe(url.password)
    expect(statSync(passwordFile).mode & 0o777).toBe(0o600)
    url.password = 'wrong'
    await expect(query(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
    const [{ rules } = {}] = await query(
      server.connectionString,
      'SELECT array_agg(DISTINCT auth_method) AS rules FROM pg_hba_file_rules',
    )
    expect(rules).toEqual(['scram-sha-256'])
  })

  it('listens on 127.0.0.1 and nowhere else', async () => {
    const [row] = await query(
      server.connectionString,
      "SELECT current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets",
    )
    expect(row).toEqual({ addresses: '127.0.0.1', sockets: '' })
  })

  it.runIf(process.platform === 'linux')('does not run as root', () => {
    expect(statSync(`/proc/${server.pid}`).uid).not.toBe(0)
  })

  it.each(['fast', 'immediate', 'kill'] as const)('keeps port and rows over a restart of mode %s', async (mode) => {
    await query(server.connectionString, `CREATE TABLE IF NOT EXISTS kept_${mode} AS SELECT 1 AS one`)
    const pid = server.pid
    await server.restart({ mode })
    expect(server.pid).not.toBe(pid)
    expect(await query(server.connectionString, `SELECT one FROM kept_${mode}`)).toEqual([{ one: 1 }])
  })

  it('comes back by restart() after it was killed', async () => {
    const children = await childrenOf(server.pid ?? 0)
    expect(children.length).toBeGreaterThan(3)
    await server.kill()
    expect(server.pid).toBeUndefined()
    expect(children.filter(isRunning)).toEqual([])
    await server.restart()
    expect(await query(server.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })
})

describe('stop()', () => {
  it('leaves no process and no folder, and is the end', async () => {
    const server = await startEmbeddedPostgres()
    const processes = [server.pid ?? 0, ...(await childrenOf(server.pid ?? 0))]
    // An open connection must not hold it up.
    const client = new Client({ connectionString: server.connectionString })
    client.on('error', () => undefined)
    await client.connect()
    await Promise.all([server.stop(), server.stop()])
    expect(processes.filter(isRunning)).toEqual([])
    expect(existsSync(server.dataDir)).toBe(false)
    expect((await refusal(server.restart())).code).toBe('stopped')
  })

  it('keeps a data folder that was asked for, with its password', async () => {
    const dataDir = idle
    const first = await startEmbeddedPostgres({ dataDir })
    await query(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
    await first.stop()
    const second = await startEmbeddedPostgres({ dataDir })
    expect(new URL(second.connectionString).password).toBe(new URL(first.connectionString).password)
    expect(await query(second.connectionString, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    await second.stop()
    const names = readdirSync(join(dataDir, 'cluster')).sort()
    expect(names).toEqual(['data', 'lock', 'owner', 'password', 'server.log', 'server.log.1'])
  })
})

describe('a start that cannot be', () => {
  it('says that another instance uses the folder, and leaves that one alone', async () => {
    const dataDir = join(folder, 'twice')
    const starts = await Promise.allSettled([startEmbeddedPostgres({ dataDir }), startEmbeddedPostgres({ dataDir })])
    const [winner] = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
    const losers = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason] : []))
    expect(losers).toEqual([expect.objectContaining({ code: 'data_dir_in_use' })])
    expect(await query(winner?.connectionString ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await winner?.stop()
  })

  it('says that the port asked for is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    const address = squatter.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const error = await refusal(startEmbeddedPostgres({ port, dataDir: idle }))
    expect(error.code).toBe('port_in_use')
    expect(error.message).toContain(String(port))
    squatter.close()
  })

  it('shows what PostgreSQL said', async () => {
    const error = await refusal(startEmbeddedPostgres({ settings: { no_such_setting: '1' }, dataDir: idle }))
    expect(error.code).toBe('start_failed')
    expect(error.serverLog).toContain('no_such_setting')
  })

  it.each([
    ['fsync', 'off'],
    ['FSYNC', 'off'],
    ['full_page_writes', 'off'],
    ['synchronous_commit', 'off'],
    ['listen_addresses', '*'],
    ['port', '1'],
    ['--evil', '1'],
  ])('refuses the setting %s=%s', async (name, value) => {
    expect((await refusal(startEmbeddedPostgres({ settings: { [name]: value } }))).code).toBe('setting_refused')
  })

  it("refuses PostgreSQL's own data folders and those of another major version", async () => {
    const foreign = join(folder, 'foreign')
    await mkdir(foreign)
    await writeFile(join(foreign, 'PG_VERSION'), '15\n')
    expect((await refusal(startEmbeddedPostgres({ dataDir: foreign }))).code).toBe('data_dir_foreign')

    const older = join(folder, 'older')
    await mkdir(join(older, 'cluster', 'data'), { recursive: true })
    await writeFile(join(older, 'cluster', 'data', 'PG_VERSION'), '17\n')
    const error = await refusal(startEmbeddedPostgres({ dataDir: older }))
    expect(error.code).toBe('data_dir_version')
    expect(error.message).toMatch(/PostgreSQL 17; .* PostgreSQL 18/)
  })

  it('says which rights it lacks', async () => {
    const closed = join(folder, 'closed')
    await mkdir(closed, { mode: process.getuid?.() === 0 ? 0o700 : 0o500 })
    const error = await refusal(startEmbeddedPostgres({ dataDir: join(closed, 'data') }))
    expect(error.code).toBe('no_rights')
    expect(error.message).toContain(closed)
  })
})

describe.runIf(process.platform === 'linux')("a crashed server's lock file", () => {
  it('does not keep the folder closed when its pid has gone to another program', async () => {
    const dataDir = idle
    const server = await startEmbeddedPostgres({ dataDir })
    await server.kill()
    const data = join(dataDir, 'cluster', 'data')
    const { uid, gid } = statSync(data)
    const other = spawn('sleep', ['60'], { uid, gid })
    const pidFile = join(data, 'postmaster.pid')
    await writeFile(pidFile, (await readFile(pidFile, 'utf8')).replace(/^\d+/, String(other.pid)))
    await server.restart()
    expect(await query(server.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await server.stop()
    other.kill()
  })
})
