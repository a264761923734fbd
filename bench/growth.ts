// `npm run bench:growth`: what an effect costs with many settled entries, against what it costs with few; and with many
// while a walk lets the old ones of them become compact and purges the oldest, against without.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { migrate } from 'counterfoil/postgres'
import pg from 'pg'
import { ClientProcess } from './client-process.js'
import { openPostgres, type PostgresServer } from './servers.js'
import { ServiceProcess } from './service/channel.js'
import { median } from './statistics.js'

/** The most that an effect may cost with many entries, as a multiple of what it costs with few; and its p99 with a walk. */
const MOST = 1.2
const CALLERS = 64
const PLANT_ROWS = 200_000
const WARM_MS = 1_000
/** In which many pages of the index are changed for the first time since the last checkpoint, as most are in use. */
const SETTLE_MS = 15_000

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
  /** Whether they age while effects are made. */
  readonly ages: boolean
  readonly databaseUrl: string
  readonly client: ClientProcess
  readonly costs: Cost[]
}

/**
 * Parameters: $1 the first, $2 the last, $3 how many in all. Settled as effects that went well leave them, over a year:
 * of all ages in each part of the table, as they come to stand once room is used again, so that a walk is never idle.
 */
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
  LATERAL (SELECT now() - interval '365 days' * ((i * 7919 % $3::bigint)::double precision / $3::bigint) AS at) AS t`

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
  const journals = [
    await open('few', { entries: Number(values.few), ages: false }),
    await open('many', { entries: Number(values.many), ages: false }),
    await open('aging', { entries: Number(values.many), ages: true }),
  ]
  for (const { databaseUrl, client } of journals) {
    await readKeys(databaseUrl)
    await client.warm(CALLERS, SETTLE_MS)
  }
  // Interleaved, so that what else the machine does strikes all alike.
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const journal of journals) {
      const cost = await measure(postgres, journal)
      journal.costs.push(cost)
      console.error(`round ${round}, ${nameOf(journal)}: ${Math.round(cost.effectsPerSecond)} effects/s`)
    }
  }
  for (const { client } of journals) await client.close()
  await tellAged(journals)
  return report(journals)
}

async function open(name: string, { entries, ages }: Pick<Journal, 'entries' | 'ages'>): Promise<Journal> {
  const databaseUrl = await postgres.createDatabase(`growth_${name}`)
  const startedMs = performance.now()
  await plant(databaseUrl, entries)
  console.error(`planted ${count(entries)} entries in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
  const opening = { system: 'counterfoil', databaseUrl, redisUrl: '', restate: null, serviceUrl: service.url }
  const client = await ClientProcess.open({ ...opening, callers: CALLERS, lostAfterMs: null, ages })
  return { entries, ages, databaseUrl, client, costs: [] }
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

/**
 * Brings the index of a journal's keys back into memory, where one in use has it: planting has pushed it out, and from
 * the disk each effect would read a page of it, which measures the disk.
 */
async function readKeys(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off')
    await client.query('SELECT count(id) FROM counterfoil.entries')
  } finally {
    await client.end()
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
  const costs = journals.map(({ entries, ages, costs: each }) => ({ entries, ages, ...medians(each) }))
  const [few, many, aging] = costs
  if (few === undefined || many === undefined || aging === undefined) return 1
  const ratios = {
    slowdown: few.effectsPerSecond / many.effectsPerSecond,
    p50: many.p50Ms / few.p50Ms,
    p99: many.p99Ms / few.p99Ms,
    walBytes: many.walBytesPerEffect / few.walBytesPerEffect,
    'p99 with a walk': aging.p99Ms / many.p99Ms,
  }
  for (const cost of costs) {
    console.log(
      `${nameOf(cost)}: ${Math.round(cost.effectsPerSecond)} effects/s, p50 ${cost.p50Ms.toFixed(1)} ms, ` +
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

/** What the walks have done in all: what was not measured beside any is no proof. */
async function tellAged(journals: readonly Journal[]): Promise<void> {
  for (const { entries, databaseUrl } of journals.filter(({ ages }) => ages)) {
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    const { rows } = await client.query(
      "SELECT count(*) AS planted, count(*) FILTER (WHERE input IS NULL) AS compact FROM counterfoil.entries WHERE key LIKE 'old-%'",
    )
    await client.end()
    const [compact, purged] = [Number(rows[0]?.compact), entries - Number(rows[0]?.planted)]
    console.log(`${count(compact)} entries became compact and ${count(purged)} were purged during the measures`)
  }
}

function nameOf({ entries, ages }: Pick<Journal, 'entries' | 'ages'>): string {
  return `${count(entries)} entries${ages ? ', aging' : ''}`
}

function count(entries: number): string {
  return entries.toLocaleString('en')
}
