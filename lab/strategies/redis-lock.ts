import { randomUUID } from 'node:crypto'
import { charge, type Order, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'
import { LOCK_TTL_MS } from '../timing.js'

/** Deletes the lock if it is still ours: a token that has run out must not free another's lock. */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

/**
 * One worker at a time per order: a lock in Redis with a time to live, longer than the call's time-out.
 *
 * The lock runs out by the clock, whatever its holder is doing. A worker that was frozen wakes up behind its own lock,
 * and a lock that outlived its worker says nothing of what that worker has charged.
 */
export const redisLock: Strategy = {
  name: 'redis-lock',
  gateway: 'none',
  idea: 'holds a lock in Redis (SET NX PX, own token) across the call',
  needsRedis: true,

  async start({ pool, stripe, redisUrl, cell }) {
    const { Redis } = await import('ioredis')
    const redis = new Redis(redisUrl, { lazyConnect: true })
    await redis.connect()

    async function holdingLock(order: Order, work: () => Promise<void>): Promise<void> {
      const lock = `counterfoil-lab:${cell}:${order.id}`
      const token = randomUUID()
      if ((await redis.set(lock, token, 'PX', LOCK_TTL_MS, 'NX')) === null) {
        throw new Error(`Order ${order.id} is locked; the broker will ask again.`)
      }
      try {
        await work()
      } finally {
        await redis.eval(RELEASE, 1, lock, token)
      }
    }

    return {
      handle: ({ order }) =>
        holdingLock(order, async () => {
          if ((await statusOf(pool, order)) !== 'open') return
          const payment = await charge(stripe, order)
          await record(pool, order, payment)
        }),
      async stop() {
        redis.disconnect()
      },
    }
  },
}
