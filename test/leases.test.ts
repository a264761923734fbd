import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Counterfoil, LeaseLostError, type LeaseService, LeaseUnavailable } from '../src/index.js'
import { migrate, postgresJournal, postgresLease } from '../src/journal/postgres/index.js'
import { redisLease } from '../src/lease/redis/index.js'
import { type TestDatabase, testDatabase } from './support/postgres.js'
import { redisUrl } from './support/servers.js'

const redisAt = redisUrl()
let database: TestDatabase
let pool: Pool
let redis: Redis | null = null

beforeAll(async () => {
  database = await testDatabase()
  process.env.DATABASE_URL = database.connectionString
  pool = new Pool({ connectionString: database.connectionString, max: 8 })
  await migrate(pool)
  if (redisAt !== undefined) redis = new Redis(redisAt)
})
afterAll(async () => {
  redis?.disconnect()
  await pool.end()
  await database.drop()
})

const prefix = `counterfoil-test-${randomBytes(6).toString('hex')}`
const services: { name: string; lease: () => LeaseService | null }[] = [
  { name: 'rows beside the journal', lease: () => null },
  { name: 'rows with a clock tolerance', lease: () => postgresLease(pool, { clockTolerance: '100ms' }) },
]
if (redisAt !== undefined) {
  const onRedis = (): LeaseService => redisLease(redis ?? new Redis(redisAt), { prefix, maxTtl: '1s' })
  services.push({ name: 'Redis', lease: onRedis })
}

describe.each(services)('counterfoil.withLease on $name', ({ lease }) => {
  // A Redis that was never used grants nothing for `maxTtl`.
  const terms = { ttl: '1s', wait: '10s' } as const
  let one: Counterfoil
  let other: Counterfoil
  beforeAll(() => {
    const open = (): Counterfoil => {
      const own = lease()
      const journal = postgresJournal(pool, { listen: false })
      return new Counterfoil({ journal, effects: [], ...(own === null ? {} : { lease: own }) }) as Counterfoil
    }
    one = open()
    other = open()
  })

  it('lets one process in at a time, each with a greater fence than the one before', async () => {
    let inside = 0
    let most = 0
    const fences: number[] = []
    const enter = (counterfoil: Counterfoil): Promise<void> =>
      counterfoil.withLease('one at a time', terms, async ({ fence }) => {
        most = Math.max(most, ++inside)
        fences.push(fence)
        await new Promise(setImmediate)
        inside--
      })
    await Promise.all([enter(one), enter(other), enter(one), enter(other)])
    expect(most).toBe(1)
    expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b))
  })

  it('does not call the work where another holds the lease, gives back what the work returns, and throws what it throws', async () => {
    const bug = new Error('bug')
    await one.withLease('held', terms, async (held) => {
      expect(held.remainingMs()).toBeGreaterThan(0)
      const refused = other.withLease('held', { ttl: '1s' }, async () => expect.unreachable('it was let in'))
      await expect(refused).rejects.toMatchObject({ code: 'lease_unavailable', reason: 'held' })
      await expect(refused).rejects.toBeInstanceOf(LeaseUnavailable)
    })
    await expect(other.withLease('held', terms, async () => 'a result')).resolves.toBe('a result')
    await expect(one.withLease('held', terms, () => Promise.reject(bug))).rejects.toBe(bug)
  })

  it('tells the work of a loss, and its caller too, whatever the work returns', async () => {
    let lost: AbortSignal | undefined
    // The grant is taken from under its holder, as by an operator; it hears of that at its next renewal.
    const service = lease() ?? postgresLease(pool)
    const stolen: LeaseService = {
      acquire: (...args) => service.acquire(...args),
      release: (grant) => service.release(grant),
      renew: async (grant, ttlMs) => {
        await service.release(grant)
        return service.renew(grant, ttlMs)
      },
    }
    const counterfoil = new Counterfoil({
      journal: postgresJournal(pool, { listen: false }),
      effects: [],
      lease: stolen,
    })
    const working = counterfoil.withLease('stolen', { ttl: 300, wait: '10s' }, async ({ signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      lost = signal
    })
    await expect(working).rejects.toBeInstanceOf(LeaseLostError)
    expect(lost?.reason).toBeInstanceOf(LeaseLostError)
  })
})

describe('docs/leases.md', () => {
  const text = readFileSync('docs/leases.md', 'utf8')

  it('shows the example to the letter, which writes one statement after the other', async () => {
    const source = readFileSync('examples/leases.ts', 'utf8')
    expect(text).toContain(/export async function writeStatement[\s\S]*?\n\}\n/.exec(source)?.[0] ?? 'no example')
    await pool.query(`CREATE TABLE statements (customer text PRIMARY KEY, body text, fence bigint NOT NULL DEFAULT 0)`)
    await pool.query(`INSERT INTO statements (customer) VALUES ('c1')`)
    const example = await import('../examples/leases.js')
    const written = ['first', 'second'].map((body) => example.writeStatement('c1', async () => body))
    expect(await Promise.all(written)).toEqual([true, true])
    // As a late holder finds it: somebody with a greater fence was here.
    await pool.query(`UPDATE statements SET fence = fence * 2`)
    expect(await example.writeStatement('c1', async () => 'late')).toBe(false)
    await example.pool.end()
  })

  it('names nothing that cannot be imported', async () => {
    const imported: Record<string, object> = {
      'counterfoil/postgres': await import('../src/journal/postgres/index.js'),
      'counterfoil/redis': await import('../src/lease/redis/index.js'),
      'counterfoil/testing': await import('../src/testing/index.js'),
    }
    const named = [...text.matchAll(/`(\w+)[^`]*`\s+from\s+`(counterfoil\/\w+)`/g)]
    expect(named.map(([, name]) => name)).toEqual(['postgresLease', 'redisLease', 'leasePromises'])
    for (const [, name, subpath] of named) expect(imported[subpath ?? '']).toHaveProperty(name ?? '')
  })
})
