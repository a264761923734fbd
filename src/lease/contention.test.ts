import { randomBytes } from 'node:crypto'
import { Pool } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Contender,
  type ServicePlan,
  type Sighting,
  startContender,
  violations,
} from '../../test/support/contenders.js'
import { testDatabase } from '../../test/support/postgres.js'
import { hasRedisServer, type OwnRedis, startRedis } from '../../test/support/redis.js'
import { postgresServers } from '../../test/support/servers.js'
import { migrate } from '../journal/postgres/index.js'
import { realClock } from '../system/index.js'

const TTL_MS = 600
const MAX_TTL_MS = 1_000

const contenders: Contender[] = []
const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(contenders.splice(0).map((contender) => contender.kill()))
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function start(service: ServicePlan, holdMs: number, stopsItself = false): Contender {
  const contender = startContender({ service, key: 'order-1', ttlMs: TTL_MS, holdMs, stopsItself })
  contenders.push(contender)
  return contender
}

function sightings(): Sighting[] {
  return contenders.flatMap((contender) => contender.sightings)
}

function entries(): number {
  return sightings().filter(({ what }) => what === 'enter').length
}

/** Until the contenders of this test have been let in so many times more. */
async function letsIn(more: number): Promise<void> {
  const goal = entries() + more
  while (entries() < goal) await realClock.sleep(5)
}

async function postgres(url: string): Promise<{ readonly service: ServicePlan; readonly pool: Pool }> {
  const database = await testDatabase(url)
  const pool = new Pool({ connectionString: database.connectionString, max: 2 })
  pool.on('error', () => undefined)
  cleanups.push(database.drop, () => pool.end())
  await migrate(pool)
  return { service: { kind: 'postgres', url: database.connectionString }, pool }
}

async function redisOf(
  kind: 'ioredis' | 'node-redis',
): Promise<{ readonly service: ServicePlan; readonly redis: OwnRedis }> {
  const redis = await startRedis()
  cleanups.push(redis.stop)
  const prefix = `test-${randomBytes(4).toString('hex')}`
  return { service: { kind, url: redis.url, prefix, maxTtl: MAX_TTL_MS }, redis }
}

const subjects = [
  ...postgresServers().map(({ name, url }) => ({ name, make: async () => (await postgres(url)).service })),
  ...(hasRedisServer() ? (['ioredis', 'node-redis'] as const) : []).map((kind) => ({
    name: `Redis through ${kind}`,
    make: async () => (await redisOf(kind)).service,
  })),
]

describe('the monitor', () => {
  it('sees processes that a lying service lets in together', async () => {
    const liars = [start({ kind: 'alone' }, 200), start({ kind: 'alone' }, 200)]
    await Promise.all(liars.map((liar) => liar.sees(({ what }) => what === 'leave')))
    expect(violations(sightings())).not.toEqual([])
  })
})

describe.each(subjects)('processes that contend for a lease on $name', ({ make }) => {
  it('are let in one at a time, with growing fences, also when some are killed inside', {
    timeout: 60_000,
  }, async () => {
    const service = await make()
    for (let i = 0; i < 4; i++) start(service, 20)
    await letsIn(30)
    for (let kills = 0; kills < 2; kills++) {
      const victim = contenders[kills]
      await victim?.sees(({ what }) => what === 'enter', victim.sightings.length)
      await victim?.kill()
      await letsIn(10)
    }
    expect(violations(sightings())).toEqual([])
  })

  it('a holder that was stopped past its expiry finds itself out before it can act', { timeout: 60_000 }, async () => {
    const service = await make()
    const stopped = start(service, 60_000, true)
    await stopped.sees(({ what }) => what === 'enter')
    const next = start(service, 60_000)
    const entered = await next.sees(({ what }) => what === 'enter')
    stopped.child.kill('SIGCONT')
    const woken = await stopped.sees(({ what }) => what !== 'enter')
    expect(woken).toMatchObject({ what: 'lost', aborted: true })
    expect(woken.untilMs).toBe(woken.atMs)
    expect(entered.fence).toBeGreaterThan(woken.fence)
    // It gives back what it no longer has; the next one keeps its lease through a renewal.
    await next.sees(({ what, untilMs }) => what === 'act' && untilMs > entered.untilMs + TTL_MS)
    expect(violations(sightings())).toEqual([])
  })
})

describe.each(postgresServers())('processes that contend while $name cuts their connections', ({ url }) => {
  it('are let in one at a time, and go on', { timeout: 60_000 }, async () => {
    const { service, pool } = await postgres(url)
    for (let i = 0; i < 3; i++) start(service, 50)
    await letsIn(5)
    for (let cut = 0; cut < 30; cut++) {
      await pool.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )
      await realClock.sleep(50)
    }
    await letsIn(10)
    expect(violations(sightings())).toEqual([])
  })
})

describe.runIf(hasRedisServer()).each(['ioredis', 'node-redis'] as const)(
  'processes that contend through %s',
  (kind) => {
    it('are let in one at a time while Redis is flushed and restarted, and go on', { timeout: 120_000 }, async () => {
      const { service, redis } = await redisOf(kind)
      for (let i = 0; i < 3; i++) start(service, 250)
      await letsIn(3)
      const losses = [
        () => redis.command('FLUSHALL'),
        () => redis.kill().then(redis.start),
        () =>
          redis
            .command('SAVE')
            .then(() => letsIn(2))
            .then(redis.kill)
            .then(redis.start),
      ]
      for (const lose of losses) {
        await lose()
        await letsIn(3)
      }
      expect(violations(sightings())).toEqual([])
    })

    it('lose the lease in time while Redis is silent, and nobody is let in', { timeout: 60_000 }, async () => {
      const { service, redis } = await redisOf(kind)
      const holder = start(service, 60_000)
      const waiter = start(service, 60_000)
      while (entries() === 0) await realClock.sleep(5)
      redis.freeze()
      const [first] = sightings()
      const inside = holder.sightings.length > 0 ? holder : waiter
      const lost = await inside.sees(({ what }) => what === 'lost')
      expect(lost.atMs - (first?.atMs ?? 0)).toBeLessThan(5_000)
      expect(entries()).toBe(1)
      redis.thaw()
      await letsIn(1)
      expect(violations(sightings())).toEqual([])
    })
  },
)
