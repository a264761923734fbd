import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { PARTITION_MS } from '../timing.js'
import type { World } from '../world.js'

const withoutRedis = (world: World): string | null => (world.redis === null ? 'Leases are kept in PostgreSQL.' : null)

export const redisFlushed: Fault = {
  name: 'redis-flushed',
  what: 'Redis forgets everything (FLUSHALL)',
  everyMs: 15_000,
  cannot: withoutRedis,
  strike: async (world) => world.redis?.flush(),
}

export const redisRestarted: Fault = {
  name: 'redis-restarted',
  what: 'Redis is SIGKILLed and begins anew, empty',
  everyMs: 18_000,
  cannot: withoutRedis,
  strike: async (world) => world.redis?.restart(),
}

export const redisPartitioned: Fault = {
  name: 'redis-partitioned',
  what: 'nothing passes between one worker and Redis for a while, or its connections are reset',
  everyMs: 8_000,
  cannot: withoutRedis,
  async strike(world, dice) {
    const { toRedis } = dice.pick(world.places)
    if (dice.chance(0.5)) toRedis?.cut()
    else toRedis?.blackhole()
    const held = dice.chance(0.5) ? 'deliver' : 'reset'
    await sleep(PARTITION_MS)
    toRedis?.open(held)
  },
}
