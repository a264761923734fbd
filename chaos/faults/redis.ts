import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { PARTITION_MS } from '../timing.js'
import type { World } from '../world.js'

const hasRedis = (world: World): boolean => world.redis !== null

export const redisFlushed: Fault = {
  name: 'redis-flushed',
  what: 'Redis forgets everything (FLUSHALL)',
  everyMs: 15_000,
  fits: hasRedis,
  strike: async (world) => world.redis?.flush(),
}

export const redisRestarted: Fault = {
  name: 'redis-restarted',
  what: 'Redis is SIGKILLed and begins anew, empty',
  everyMs: 18_000,
  fits: hasRedis,
  strike: async (world) => world.redis?.restart(),
}

export const redisPartitioned: Fault = {
  name: 'redis-partitioned',
  what: 'nothing passes between one worker and Redis for a while, or its connections are reset',
  everyMs: 8_000,
  fits: hasRedis,
  async strike(world, dice) {
    const { toRedis } = dice.pick(world.places)
    if (dice.chance(0.5)) toRedis?.cut()
    else toRedis?.blackhole()
    const held = dice.chance(0.5) ? 'deliver' : 'reset'
    await sleep(PARTITION_MS)
    toRedis?.open(held)
  },
}
