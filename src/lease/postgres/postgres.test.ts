import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testDatabase } from '../../../test/support/postgres.js'
import { postgresServers } from '../../../test/support/servers.js'
import { migrate } from '../../journal/postgres/index.js'
import { LeaseUnavailable, type PurgedLeases } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { leasePromises } from '../conformance.js'
import { type PostgresLease, postgresLease } from './index.js'

const SCHEMA = 'odd "schema'

describe.each(postgresServers())('leases on $name', ({ url }) => {
  let pool: Pool
  let service: PostgresLease
  let drop: () => Promise<void>

  beforeAll(async () => {
    const database = await testDatabase(url)
    drop = database.drop
    pool = new Pool({ connectionString: database.connectionString, max: 20 })
    pool.on('error', () => undefined)
    await migrate(pool, { schema: SCHEMA })
    service = postgresLease(pool, { schema: SCHEMA })
  })

  afterAll(async () => {
    await pool.end()
    await drop()
  })

  it.each(leasePromises)('$name', ({ check }) => check({ service, clock: realClock }))

  it('a fence still grows after its row was purged', async () => {
    const first = await service.acquire('purged', 1_000, 'a')
    await service.release({ key: 'purged', holder: 'a' })
    expect(await purged(service)).toBe(0)
    // As it stands two days later: the fence is microseconds of the database's clock, so shift it back with the rest.
    const twoDaysUs = 2 * 86_400 * 1_000_000
    await pool.query(`UPDATE "odd ""schema".leases SET fence = fence - ${twoDaysUs} WHERE key = 'purged'`)
    expect(await purged(service)).toBe(1)
    const next = await service.acquire('purged', 1_000, 'b')
    expect(next?.fence).toBeGreaterThan(first?.fence ?? Number.NaN)
  })

  it('a row whose fence runs ahead of the clock, or whose lease is held, is not purged, and its fence still grows', async () => {
    await service.acquire('held', 10_000, 'a')
    await pool.query(`UPDATE "odd ""schema".leases SET fence = 7 WHERE key = 'held'`)
    await service.acquire('ahead', 10_000, 'a')
    await service.release({ key: 'ahead', holder: 'a' })
    const ahead = (Date.now() + 86_400_000) * 1000
    await pool.query(`UPDATE "odd ""schema".leases SET fence = ${ahead} WHERE key = 'ahead'`)
    expect(await purged(service)).toBe(0)
    expect((await service.acquire('ahead', 1_000, 'b'))?.fence).toBe(ahead + 1)
  })

  it('a purge goes through all rows in small steps, each once, and deletes what is idle among them', async () => {
    await pool.query(`INSERT INTO "odd ""schema".leases (key, fence)
      SELECT 'step-' || i, CASE WHEN i % 3 = 0 THEN 7 ELSE 9e15::bigint END FROM generate_series(1, 100) AS i`)
    const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM "odd ""schema".leases')
    const count = rows[0]?.count ?? Number.NaN
    let steps = 0
    let gone = 0
    for (let after: string | null = null; steps === 0 || after !== null; steps++) {
      const step: PurgedLeases = await service.purge(10, after)
      gone += step.purged
      after = step.next
    }
    expect(gone).toBe(33)
    expect(steps).toBe(Math.floor(count / 10) + 1)
    expect(await purged(service)).toBe(0)
  })

  it('with a clock tolerance, an expired lease is given away that much later', async () => {
    const tolerant = postgresLease(pool, { schema: SCHEMA, clockTolerance: '400ms' })
    // It is granted after this, and given away half a second after that, however late we hear of either.
    const before = performance.now()
    await tolerant.acquire('tolerant', 100, 'a')
    await realClock.sleep(200)
    expect(await tolerant.acquire('tolerant', 100, 'b')).toBeNull()
    while ((await tolerant.acquire('tolerant', 100, 'b')) === null) await realClock.sleep(5)
    expect(performance.now() - before).toBeGreaterThan(499)
  })

  it('a waiter that asks in vain writes nothing', async () => {
    await service.acquire('quiet', 10_000, 'a')
    const version = async (): Promise<unknown> => {
      const { rows } = await pool.query(`SELECT xmin, xmax, ctid FROM "odd ""schema".leases WHERE key = 'quiet'`)
      return rows
    }
    const before = await version()
    expect(await service.acquire('quiet', 10_000, 'b')).toBeNull()
    expect(await version()).toEqual(before)
  })

  it('a contender that waited for the row sees the lease as it is after the wait', async () => {
    await service.acquire('waited', 10_000, 'a')
    await service.release({ key: 'waited', holder: 'a' })
    const other = await pool.connect()
    await other.query('BEGIN')
    await other.query(`UPDATE "odd ""schema".leases SET holder = 'x', leased_until = clock_timestamp() + interval '10 s'
      WHERE key = 'waited'`)
    const asked = service.acquire('waited', 1_000, 'b')
    await waitingForALock(pool)
    await other.query('COMMIT')
    other.release()
    expect(await asked).toBeNull()
  })

  it('a connection that is terminated in the middle of an operation is a passing fault, and a missing table a lasting one', async () => {
    const grant = await service.acquire('terminated', 10_000, 'a')
    if (grant === null) throw new Error('it was free')
    const other = await pool.connect()
    await other.query('BEGIN')
    await other.query(`SELECT 1 FROM "odd ""schema".leases WHERE key = 'terminated' FOR UPDATE`)
    const renewal = service.renew(grant, 1_000).catch((error: unknown) => error)
    const pid = await waitingForALock(pool)
    await pool.query('SELECT pg_terminate_backend($1)', [pid])
    const error = await renewal
    await other.query('ROLLBACK')
    other.release()
    expect(error).toBeInstanceOf(LeaseUnavailable)
    expect(error).toMatchObject({ reason: 'unreachable', transient: true })
    expect(await service.acquire('terminated', 1_000, 'b')).toBeNull()
    await expect(postgresLease(pool, { schema: 'nowhere' }).acquire('k', 1_000, 'a')).rejects.toMatchObject({
      code: 'lease_unavailable',
      transient: false,
    })
  })

  it('works inside a serializable default isolation, where contention is retried', async () => {
    const strict = new Pool({
      connectionString: String(pool.options.connectionString),
      max: 8,
      options: '-c default_transaction_isolation=serializable',
    })
    const careful = postgresLease(strict, { schema: SCHEMA })
    const asked = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => careful.acquire('strict', 9_000, `h${i}`)),
    )
    await strict.end()
    const granted = asked.filter((one) => one.status === 'fulfilled' && one.value !== null)
    expect(granted).toHaveLength(1)
    for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject({ transient: true })
  })
})

/** How many rows a purge of all of them deletes. */
async function purged(service: PostgresLease): Promise<number> {
  const { purged, next } = await service.purge(10_000, null)
  expect(next).toBeNull()
  return purged
}

async function waitingForALock(pool: Pool): Promise<number> {
  for (;;) {
    const { rows } = await pool.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    if (rows[0] !== undefined) return rows[0].pid
    await realClock.sleep(5)
  }
}
