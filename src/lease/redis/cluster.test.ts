import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasRedisServer, type OwnRedis, startRedisCluster } from '../../../test/support/redis.js'
import { withLease } from '../../engine/with-lease.js'
import { realClock } from '../../system/index.js'
import { leasePromises } from '../conformance.js'
import { type RedisClient, redisLease } from './index.js'

const clients = [
  {
    name: 'ioredis',
    connect: async (port: number): Promise<{ client: RedisClient; end: () => void }> => {
      const client = new Cluster([{ host: '127.0.0.1', port }])
      client.on('error', () => undefined)
      return { client, end: () => client.disconnect() }
    },
  },
  {
    name: 'node-redis',
    connect: async (port: number): Promise<{ client: RedisClient; end: () => void }> => {
      const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
      client.on('error', () => undefined)
      await client.connect()
      return { client, end: () => client.destroy() }
    },
  },
]

describe.runIf(hasRedisServer())('leases on a Redis Cluster', () => {
  let nodes: readonly [OwnRedis, OwnRedis]

  beforeAll(async () => {
    nodes = await startRedisCluster()
  })
  afterAll(() => Promise.all(nodes.map((node) => node.stop())))

  describe.each(clients)('through $name', ({ name, connect }) => {
    let connection: { client: RedisClient; end: () => void }

    beforeAll(async () => {
      connection = await connect(nodes[0].port)
    })
    afterAll(() => connection.end())

    it('keep every promise, spread over the nodes', { timeout: 60_000 }, async () => {
      // One prefix for both: only the first to see the new nodes has to wait until no older lease can stand there.
      const service = redisLease(connection.client, { prefix: 'both', maxTtl: '10s' })
      const first = Array.from({ length: 300 }, (_, i) => `${name}-${i}`)
      await Promise.all(first.map((key) => withLease(service, key, { ttl: '1s', wait: '30s' }, async () => undefined)))
      // They mostly wait, each for leases of its own keys.
      await Promise.all(leasePromises.map(({ check }) => check({ service, clock: realClock })))
      for (const node of nodes) {
        const keys = Number((await node.command('DBSIZE')).slice(1))
        expect(keys).toBeGreaterThan(100)
      }
    })
  })
})
