// `npm run bench:audit`: a million operations against a million entries, with a thousand planted anomalies of every kind.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from 'counterfoil/embedded'
import { migrate } from 'counterfoil/postgres'
import pg from 'pg'
import type { Audited } from './audit-process.js'
import { AuditWorld, EFFECT, type EntryRow, NAMESPACE } from './audit-world.js'

const MOST_RSS_MIB = 256
const PLANT_ROWS = 5_000

const { values } = parseArgs({
  options: {
    /** How many business keys. */
    size: { type: 'string', default: '1000000' },
    /** How many anomalies of each kind. */
    anomalies: { type: 'string' },
    /** How long the service thinks about a page. */
    'page-latency-ms': { type: 'string', default: '0' },
    /** A PostgreSQL that may be written to. Default: an embedded one. */
    postgres: { type: 'string' },
  },
})

const size = Number(values.size)
const anomalies = Number(values.anomalies ?? Math.min(1_000, Math.floor(size / 100)))
const startsAtMs = Date.now() - 600_000 - size
const plan = { size, anomalies, startsAtMs }
const world = new AuditWorld(plan)

const embedded = values.postgres === undefined ? await startEmbeddedPostgres() : null
const postgresUrl = await freshDatabase(values.postgres ?? embedded?.connectionString ?? '')
let ok = false
try {
  await plant()
  ok = print(await audit())
} finally {
  await embedded?.stop()
}
process.exitCode = ok ? 0 : 1

async function freshDatabase(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('DROP DATABASE IF EXISTS counterfoil_bench_audit WITH (FORCE)')
  await client.query('CREATE DATABASE counterfoil_bench_audit')
  await client.end()
  const database = new URL(url)
  database.pathname = '/counterfoil_bench_audit'
  return database.href
}

async function plant(): Promise<void> {
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 2 })
  await migrate(pool)
  const startedMs = performance.now()
  let rows: EntryRow[] = []
  for (let i = 0; i < size; i++) {
    const row = world.row(i)
    if (row !== null) rows.push(row)
    if (rows.length === PLANT_ROWS || i === size - 1) {
      await insert(pool, rows)
      rows = []
    }
  }
  await pool.query('VACUUM ANALYZE counterfoil.entries')
  await pool.end()
  console.log(`planted ${size} entries in ${seconds(performance.now() - startedMs)}`)
}

async function insert(pool: pg.Pool, rows: readonly EntryRow[]): Promise<void> {
  await pool.query(
    `INSERT INTO counterfoil.entries (
       id, fence, created_at, updated_at, first_sent_at, last_deadline_at, in_doubt_since, parked_at, generation,
       attempts, state, settlement, namespace, effect, key, reference, fingerprint, external_id, input, receipt, reason
     )
     SELECT r.id, 1, t.at, t.at, t.at, t.at, CASE WHEN r.external_id IS NULL THEN t.at END,
       CASE WHEN r.external_id IS NULL THEN t.at END, 1, 1, CASE WHEN r.external_id IS NULL THEN 'parked' ELSE 'succeeded' END,
       'none', $1, $2, r.key, r.reference, r.fingerprint, r.external_id, r.input,
       CASE WHEN r.external_id IS NOT NULL THEN json_build_object('id', r.external_id, 'status', 'succeeded') END,
       CASE WHEN r.external_id IS NULL THEN '{"code":"planted","message":"It may have happened."}'::json END
     FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[], $9::float8[])
       AS r (id, key, reference, fingerprint, external_id, input, sent_ms),
       LATERAL (SELECT to_timestamp(r.sent_ms / 1000) AS at) AS t`,
    [
      ...[NAMESPACE, EFFECT, rows.map((each) => each.id), rows.map((each) => each.key)],
      ...[rows.map((each) => each.reference), rows.map((each) => each.fingerprint)],
      ...[rows.map((each) => each.externalId), rows.map((each) => each.input), rows.map((each) => each.sentAtMs)],
    ],
  )
}

function start(program: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(program, import.meta.url)), args)
}

async function audit(): Promise<Audited> {
  const service = start('./audit-service.js', [JSON.stringify(plan), values['page-latency-ms']])
  const [port] = (await once(service, 'message')) as [number]
  const auditor = start('./audit-process.js', [JSON.stringify({ world: plan, postgresUrl, port })])
  const ended = once(auditor, 'exit').then(([code]) =>
    Promise.reject(new Error(`The auditing process ended (${code}).`)),
  )
  ended.catch(() => undefined)
  const [result] = (await Promise.race([once(auditor, 'message'), ended])) as [Audited]
  service.disconnect()
  return result
}

function print({ listingMs, auditMs, peakRssMiB, counts, found, invented }: Audited): boolean {
  const expected = world.expected()
  const wrong = [...expected].filter(([kind, count]) => found[kind] !== count)
  console.log(`bare listing   ${seconds(listingMs)}, ${rate(counts.listed ?? 0, listingMs)}`)
  console.log(`audit          ${seconds(auditMs)}, ${rate(counts.listed ?? 0, auditMs)}`)
  console.log(`ratio          ${(auditMs / listingMs).toFixed(2)} × the bare time of listing`)
  console.log(`peak memory    ${peakRssMiB.toFixed(0)} MiB of the auditing process (at most ${MOST_RSS_MIB})`)
  console.log(`counted        ${JSON.stringify(counts)}`)
  console.log(`found          ${JSON.stringify(found)}, planted ${JSON.stringify(Object.fromEntries(expected))}`)
  const exact = wrong.length === 0 && invented === 0
  console.log(exact ? 'every planted anomaly was found, and none invented' : `NOT EXACT: ${invented} were invented`)
  return exact && peakRssMiB < MOST_RSS_MIB
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function rate(count: number, ms: number): string {
  return `${Math.round(count / (ms / 1000))} operations/s`
}
