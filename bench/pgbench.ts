import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Ground } from './ground.js'
import { type Cell, perEffect, type Sample, type Times } from './sample.js'
import type { PgbenchForm } from './system.js'
import { SCHEMA } from './systems/two-commits.js'

const run = promisify(execFile)

/** More clients than this only make two cores switch between backends. */
const MOST_CLIENTS = 64

/** Measures a cell once without a client. */
export async function measurePgbench(ground: Ground, cell: Cell, form: PgbenchForm, times: Times): Promise<Sample> {
  const { databaseUrl } = await ground.fresh(cell.system, 0)
  const folder = await mkdtemp(join(tmpdir(), 'counterfoil-bench-pgbench-'))
  try {
    const script = join(folder, 'effect.sql')
    await writeFile(script, form === 'batched' ? batchedScript(cell.callers) : SCRIPT)
    await withSchema(databaseUrl)
    const load = { databaseUrl, script, clients: clientsFor(form, cell.callers) }
    await ground.postgres.admin.query('CHECKPOINT')
    await pgbench(load, times.warmMs)
    const before = await ground.postgres.meter.read()
    const done = await pgbench(load, times.measureMs)
    const after = await ground.postgres.meter.read()
    const rows = form === 'batched' ? cell.callers : 1
    return {
      effectsPerSecond: done.transactionsPerSecond * rows,
      p50Ms: null,
      p99Ms: null,
      ...perEffect(before, after, done.transactions * rows),
      clientCpuMicros: null,
      rssMiB: null,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
    await ground.clear()
  }
}

function clientsFor(form: PgbenchForm, callers: number): number {
  // One forms and sends while the other waits for its commit, as intents and outcomes of a batching client do.
  return form === 'batched' ? Math.min(callers, 2) : Math.min(callers, MOST_CLIENTS)
}

async function withSchema(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(SCHEMA)
  await client.end()
}

interface Load {
  readonly databaseUrl: string
  readonly script: string
  readonly clients: number
}

async function pgbench(load: Load, forMs: number): Promise<{ transactionsPerSecond: number; transactions: number }> {
  const { hostname, port, username, password, pathname } = new URL(load.databaseUrl)
  const seconds = Math.max(1, Math.round(forMs / 1000))
  const server = ['--host', hostname, '--port', port, '--username', decodeURIComponent(username)]
  const options = ['--no-vacuum', '--protocol', 'prepared', '--file', load.script, '--time', String(seconds)]
  const width = ['--client', String(load.clients), '--jobs', String(Math.min(2, load.clients))]
  const { stdout } = await run('pgbench', [...server, ...options, ...width, pathname.slice(1)], {
    env: { ...process.env, PGPASSWORD: decodeURIComponent(password), PGOPTIONS: BY_INDEX },
  })
  const transactions = Number(/actually processed: (\d+)/.exec(stdout)?.[1])
  // It leaves the rate out where nothing was done in the time.
  const transactionsPerSecond = transactions === 0 ? 0 : Number(/tps = ([\d.]+)/.exec(stdout)?.[1])
  if (Number.isNaN(transactions + transactionsPerSecond)) throw new Error(`pgbench said what is not known:\n${stdout}`)
  return { transactions, transactionsPerSecond }
}

const BY_INDEX = '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off'

const INPUT = `'{"id":"0b7d4a50-aaaa-bbbb-cccc-1234567890ab-1234","customerId":"customer-of-0b7d4a50-aaaa-bbbb-cccc-1234567890ab-1234","cents":1299,"currency":"eur"}'`
const RECEIPT = `'{"id":"ch_123456","key":"0b7d4a50-aaaa-bbbb-cccc-1234567890ab-1234"}'`

const SCRIPT = `\\set id random(1, 4000000000000000000)
INSERT INTO payments (id, state, input) VALUES (md5(:id::text), 'executing', ${INPUT}) ON CONFLICT (id) DO NOTHING;
UPDATE payments SET state = 'succeeded', receipt = ${RECEIPT}, updated_at = now() WHERE id = md5(:id::text);
`

function batchedScript(rows: number): string {
  return `\\set id random(1, 4000000000000000000)
INSERT INTO payments (id, state, input)
SELECT md5(:id::text || '-' || i), 'executing', ${INPUT} FROM generate_series(1, ${rows}) AS i ON CONFLICT (id) DO NOTHING;
UPDATE payments AS p SET state = 'succeeded', receipt = ${RECEIPT}, updated_at = now()
FROM generate_series(1, ${rows}) AS i WHERE p.id = md5(:id::text || '-' || i);
`
}
