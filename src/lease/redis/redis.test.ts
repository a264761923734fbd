import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasRedisServer, type OwnRedis, startRedis } from '../../../test/support/redis.js'
import { redisUrl } from '../../../test/support/servers.js'
import type { LeaseService } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { leasePromises } from '../conformance.js'
import { type RedisClient, redisLease } from './index.js'
import { redisKeys } from './keys.js'

interface Connection {
  readonly client: RedisClient
  readonly end: () => Promise<void>
}

/** Both clients, as an application would set them up. */
const clients = [
  {
    name: 'ioredis',
    connect: async (url: string): Promise<Connection> => {
      const client = new Redis(url, { retryStrategy: () => 20 })
      client.on('error', () => undefined)
      await client.ping()
      return { client, end: async () => client.disconnect() }
    },
  },
  {
    name: 'node-redis',
    connect: async (url: string): Promise<Connection> => {
      const client = createClient({ url, socket: { reconnectStrategy: 20 } })
      client.on('error', () => undefined)
      await client.connect()
      return { client, end: async () => client.destroy() }
    },
  },
]

const systemUrl = redisUrl()
const canStart = hasRedisServer()

/** Of both clients: only the first to see it has to wait until no older lease can stand there. */
const systemPrefix = freshPrefix()

describe.runIf(systemUrl !== undefined).each(clients)('leases on Redis through $name', ({ connect }) => {
  let connection: Connection
  let service: LeaseService

  beforeAll(async () => {
    connection = await connect(systemUrl ?? '')
    service = redisLease(connection.client, { prefix: systemPrefix, maxTtl: '10s' })
    await opens(service)
  })
  afterAll(() => connection.end())

  it.each(leasePromises)('$name', ({ check }) => check({ service, clock: realClock }))
})

describe.runIf(canStart).each(clients)('a Redis that forgets, through $name', ({ connect }) => {
  const maxTtl = '1s'
  let redis: OwnRedis
  let connection: Connection
  let service: LeaseService

  beforeAll(async () => {
    redis = await startRedis()
    connection = await connect(redis.url)
    service = redisLease(connection.client, { maxTtl })
    await opens(service)
  })
  afterAll(async () => {
    await connection.end()
    await redis.stop()
  })

  const losses = [
    { name: 'FLUSHALL', lose: async () => void (await redis.command('FLUSHALL')) },
    {
      name: 'a crash without persistence',
      lose: async () => {
        await redis.kill()
        await redis.start()
      },
    },
  ]
  it.each(losses)(
    'grants nothing after $name until what it forgot is over, on any key; fences still grow',
    async ({ lose }) => {
      const key = token()
      const before = await untilGranted(service, key)
      await lose()
      const lostAtMs = performance.now()
      await expect(retrying(() => service.acquire(key, 1_000, token()))).rejects.toMatchObject({
        code: 'lease_unavailable',
        reason: 'recovering',
        transient: true,
      })
      await expect(service.acquire(token(), 1_000, token())).rejects.toMatchObject({ reason: 'recovering' })
      expect(await service.renew(before, 1_000)).toBe(false)
      const after = await untilGranted(service, key)
      expect(performance.now() - lostAtMs).toBeGreaterThan(999)
      expect(after.fence).toBeGreaterThan(before.fence)
      // Every bucket began to count at the first sight of the loss, so no key has to wait for a turn of its own.
      const asked = Array.from({ length: 200 }, () => service.acquire(token(), 1_000, token()))
      const refusals = (await Promise.allSettled(asked)).flatMap((each) =>
        each.status === 'rejected' ? each.reason : [],
      )
      for (const { message } of refusals) expect(Number(/again in (\d+) ms/.exec(message)?.[1])).toBeLessThan(500)
    },
  )

  it('takes a snapshot that lacks the last grant for a loss: it grants nothing early and renews nothing old', async () => {
    const key = token()
    const saved = await untilGranted(service, key)
    await redis.command('SAVE')
    await service.release(saved)
    const forgotten = await untilGranted(service, key)
    await redis.kill()
    await redis.start()
    expect(await retrying(() => service.renew(saved, 1_000))).toBe(false)
    expect(await service.renew(forgotten, 1_000)).toBe(false)
    await expect(service.acquire(key, 1_000, token())).rejects.toMatchObject({ reason: 'recovering' })
    expect((await untilGranted(service, key)).fence).toBeGreaterThan(forgotten.fence)
  })

  it('takes a promoted replica for a loss, though it may have every key', async () => {
    const replica = await startRedis('--replicaof', `127.0.0.1 ${redis.port}`)
    const onReplica = await connect(replica.url)
    try {
      const key = token()
      const grant = await untilGranted(service, key)
      const keys = redisKeys('counterfoil', key)
      while ((await replica.command('EXISTS', keys.lease, keys.epoch)) !== ':2') await realClock.sleep(5)
      const promoted = redisLease(onReplica.client, { maxTtl })
      await expect(promoted.acquire(key, 1_000, token())).rejects.toMatchObject({
        reason: 'unreachable',
        transient: true,
      })
      await replica.command('REPLICAOF', 'NO', 'ONE')
      expect(await promoted.renew(grant, 1_000)).toBe(false)
      await expect(promoted.acquire(key, 1_000, token())).rejects.toMatchObject({ reason: 'recovering' })
      expect((await untilGranted(promoted, key)).fence).toBeGreaterThan(grant.fence)
    } finally {
      await onReplica.end()
      await replica.stop()
    }
  })

  it('is asked anew for its script after SCRIPT FLUSH', async () => {
    await redis.command('SCRIPT', 'FLUSH')
    const key = token()
    expect(await service.renew(await untilGranted(service, key), 1_000)).toBe(true)
  })

  it('grants nothing where eviction may take a lease, and says what to set', async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '100mb')
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru')
    const anew = redisLease(connection.client, { maxTtl })
    await expect(anew.acquire(token(), 1_000, token())).rejects.toMatchObject({
      code: 'lease_unavailable',
      transient: false,
      message: expect.stringContaining('noeviction'),
    })
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await untilGranted(anew, token())
  })

  it('refuses a process that would wait for less than the others hold', async () => {
    const hasty = redisLease(connection.client, { maxTtl: '500ms' })
    await expect(hasty.acquire(token(), 500, token())).rejects.toMatchObject({ code: 'configuration' })
    await expect(service.acquire(token(), 1_001, token())).rejects.toMatchObject({ code: 'configuration' })
  })

  it('forgets a lease a day after it, and not before', async () => {
    const key = token()
    const grant = await untilGranted(service, key)
    await service.release(grant)
    const keys = redisKeys('counterfoil', key)
    const ttl = Number((await redis.command('TTL', keys.lease)).slice(1))
    expect(ttl).toBeGreaterThan(86_000)
    expect(ttl).toBeLessThan(86_410)
    expect(await redis.command('TTL', keys.epoch)).toBe(':-1')
  })
})

function freshPrefix(): string {
  return `counterfoil-test-${randomBytes(6).toString('hex')}`
}

function token(): string {
  return randomBytes(12).toString('hex')
}

/** Waits until the service grants on every bucket. */
async function opens(service: LeaseService): Promise<void> {
  // All of them begin to count at the first sight, so one is enough to wait by.
  await untilGranted(service, token())
  await Promise.all(Array.from({ length: 500 }, () => untilGranted(service, token())))
}

async function untilGranted(
  service: LeaseService,
  key: string,
): Promise<{ key: string; fence: number; holder: string }> {
  for (;;) {
    const grant = await service.acquire(key, 1_000, token()).catch((error: unknown) => {
      if (isUnavailable(error)) return null
      throw error
    })
    if (grant !== null) return grant
    await realClock.sleep(5)
  }
}

/** A connection that was cut may fail a command or two before it is there again. */
async function retrying<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(isUnavailable(error) && error.reason === 'unreachable')) throw error
      await realClock.sleep(20)
    }
  }
}

function isUnavailable(error: unknown): error is { reason: string } {
  return error instanceof Error && 'code' in error && error.code === 'lease_unavailable' && 'reason' in error
}
