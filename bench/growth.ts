// `npm run bench:growth`: what an effect costs with many settled entries, against what it costs with few.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { migrate } from 'counterfoil/postgres'
import pg from 'pg'
import { ClientProcess } from './client-process.js'
import { openPostgres, type PostgresServer } from './servers.js'
import { ServiceProcess } from './service/channel.js'
import { median } from './statistics.js'

/** The most that an effect may cost with many entries, as a multiple of what it costs with few. */
const MOST = 1.2
const CALLERS = 64
const PLANT_ROWS = 200_000
const WARM_MS = 1_000

const { values } = parseArgs({
  options: {
    few: { type: 'string', default: '10000' },
    many: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    /** A PostgreSQL that may be written to, and that nobody else uses. Default: an embedded one. */
    postgres: { type: 'string' },
    json: { type: 'string' },
  },
})

interface Cost {
  readonly effectsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Bytes of WAL records per effect, and of the page images that the first change after a checkpoint adds. */
  readonly walBytesPerEffect: number
  readonly pageImageBytesPerEffect: number
}

/** A journal with so many settled entries, and what effects cost there, round by round. */
interface Journal {
  readonly entries: number
  readonly databaseUrl: string
  readonly client: ClientProcess
  readonly costs: Cost[]
}

/** Parameters: $1 the first, $2 the last, $3 how many in all. Settled as effects that went well leave them, over a year. */
const PLANT = `
INSERT INTO counterfoil.entries (
  id, fence, created_at, updated_at, first_sent_at, last_deadline_at, generation, attempts, state, settlement, namespace,
  effect, key, reference, fingerprint, external_id, input, receipt
)
SELECT gen_random_uuid(), 1, t.at, t.at, t.at, t.at, 1, 1, 'succeeded', 'none', 'default', 'pay-order', 'old-' || i,
  'cold' || lpad(i::text, 32, '0'), md5(i::text), 'ch_' || i,
  json_build_object('id', 'old-' || i, 'customerId', 'customer-of-old-' || i, 'cents', 1299, 'currency', 'eur'),
  json_build_object('id', 'ch_' || i, 'key', 'old-' || i)
FROM generate_series($1::bigint, $2::bigint) AS i,
  LATERAL (SELECT now() - interval '365 days' * (1 - i::double precision / $3::bigint) AS at) AS t`

/** What the log holds between two positions, of records and of page images apart. */
const WAL = 'SELECT sum(record_size) AS records, sum(fpi_size) AS images FROM pg_get_wal_stats($1::pg_lsn, $2::pg_lsn)'

const postgres = await openPostgres(values.postgres ?? null)
await postgres.admin.query('CREATE EXTENSION IF NOT EXISTS pg_walinspect')
const service = await ServiceProcess.start()
try {
  process.exitCode = await main()
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  service.stop()
  await postgres.stop()
}

async function main(): Promise<number> {
  const journals = [await open('few', Number(values.few)), await open('many', Number(values.many))]
  // Interleaved, so that what else the machine does strikes both alike.
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const journal of journals) {
      const cost = await measure(postgres, journal)
      journal.costs.push(cost)
      console.error(`round ${round}, ${count(journal.entries)} entries: ${Math.round(cost.effectsPerSecond)} effects/s`)
    }
  }
  for (const { client } of journals) await client.close()
  return report(journals)
}

async function open(name: string, entries: number): Promise<Journal> {
  const databaseUrl = await postgres.createDatabase(`growth_${name}`)
  const startedMs = performance.now()
  await plant(databaseUrl, entries)
  console.error(`planted ${count(entries)} entries in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
  const opening = { system: 'counterfoil', databaseUrl, redisUrl: '', restate: null, serviceUrl: service.url }
  const client = await ClientProcess.open({ ...opening, callers: CALLERS, lostAfterMs: null })
  return { entries, databaseUrl, client, costs: [] }
}

async function plant(databaseUrl: string, entries: number): Promise<void> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  pool.on('error', () => undefined)
  try {
    await migrate(pool)
    for (let from = 0; from < entries; from += PLANT_ROWS) {
      await pool.query(PLANT, [from, Math.min(entries, from + PLANT_ROWS) - 1, entries])
    }
    await pool.query('VACUUM (ANALYZE) counterfoil.entries')
  } finally {
    await pool.end()
  }
}

async function measure({ admin }: PostgresServer, { client }: Journal): Promise<Cost> {
  await client.warm(CALLERS, WARM_MS)
  const from = await walPosition(admin)
  const { inTime, tookMs, done, p50Ms, p99Ms } = await client.measure(CALLERS, Number(values.seconds) * 1000)
  const { rows } = await admin.query(WAL, [from, await walPosition(admin)])
  return {
    effectsPerSecond: (inTime / tookMs) * 1000,
    p50Ms,
    p99Ms,
    walBytesPerEffect: Number(rows[0]?.records) / done,
    pageImageBytesPerEffect: Number(rows[0]?.images) / done,
  }
}

async function walPosition(admin: pg.Client): Promise<string> {
  return String((await admin.query('SELECT pg_current_wal_flush_lsn()::text AS at')).rows[0]?.at)
}

async function report(journals: readonly Journal[]): Promise<number> {
  const costs = journals.map(({ entries, costs: each }) => ({ entries, ...medians(each) }))
  const [few, many] = costs
  if (few === undefined || many === undefined) return 1
  const ratios = {
    slowdown: few.effectsPerSecond / many.effectsPerSecond,
    p50: many.p50Ms / few.p50Ms,
    p99: many.p99Ms / few.p99Ms,
    walBytes: many.walBytesPerEffect / few.walBytesPerEffect,
  }
  for (const cost of costs) {
    console.log(
      `${count(cost.entries)} entries: ${Math.round(cost.effectsPerSecond)} effects/s, p50 ${cost.p50Ms.toFixed(1)} ms, ` +
        `p99 ${cost.p99Ms.toFixed(1)} ms, ${Math.round(cost.walBytesPerEffect)} bytes of WAL per effect ` +
        `(and ${Math.round(cost.pageImageBytesPerEffect)} of page images: once for each page and checkpoint)`,
    )
  }
  for (const [what, ratio] of Object.entries(ratios)) {
    console.log(`${ratio <= MOST ? 'kept  ' : 'BROKEN'} ${what}: ${ratio.toFixed(2)} × (at most ${MOST})`)
  }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ costs, ratios }, null, 2)}\n`)
  return Object.values(ratios).every((ratio) => ratio <= MOST) ? 0 : 1
}

function medians(costs: readonly Cost[]): Cost {
  const of = (pick: (cost: Cost) => number): number => median(costs.map(pick))
  return {
    effectsPerSecond: of((each) => each.effectsPerSecond),
    p50Ms: of((each) => each.p50Ms),
    p99Ms: of((each) => each.p99Ms),
    walBytesPerEffect: of((each) => each.walBytesPerEffect),
    pageImageBytesPerEffect: of((each) => each.pageImageBytesPerEffect),
  }
}

function count(entries: number): string {
  return entries.toLocaleString('en')
}
