import { redisLease } from 'counterfoil/redis'
import type { Order } from '../application.js'
import type { Strategy } from '../strategy.js'
import { LOCK_TTL_MS } from '../timing.js'
import { type ChargeOrder, chargeOrder } from './counterfoil-engine.js'
import { startEnqueueing } from './counterfoil-outbox.js'
import { gatewayWithKeys, type Receipt } from './counterfoil-providers.js'

/**
 * The outbox, and of one customer's orders one is charged at a time, in the order of their acceptance. The lease keeps
 * workers out of each other's way; that no order is charged twice rests on the journal and on the key, as ever.
 */
export const counterfoilLease: Strategy = {
  name: 'counterfoil/lease',
  gateway: 'keys',
  idea: 'is the outbox with one charge of a customer at a time, by a lease in PostgreSQL',
  start: (services) => startEnqueueing(services, onePerCustomer(services)),
}

/** The same, by a lease in Redis, whose fence comes with it. */
export const counterfoilRedisLease: Strategy = {
  name: 'counterfoil/redis-lease',
  gateway: 'keys',
  idea: 'is the outbox with one charge of a customer at a time, by a lease in Redis',
  needsRedis: true,

  async start(services) {
    const { Redis } = await import('ioredis')
    const redis = new Redis(services.redisUrl, { lazyConnect: true })
    await redis.connect()
    const lease = redisLease(redis, { prefix: `counterfoil-lab-${LOCK_TTL_MS}`, maxTtl: LOCK_TTL_MS })
    const handler = await startEnqueueing(services, onePerCustomer(services), lease)
    return {
      ...handler,
      async stop() {
        await handler.stop()
        redis.disconnect()
      },
    }
  },
}

function onePerCustomer(services: Parameters<typeof gatewayWithKeys>[0]): ChargeOrder<Receipt> {
  return chargeOrder<Receipt>(gatewayWithKeys(services), (order: Order) => order.customer)
}
