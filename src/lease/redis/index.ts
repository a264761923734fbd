export type { IoRedisClient, NodeRedisClient, RedisClient } from './client.js'
export { type RedisLeaseOptions, redisLease } from './lease.js'
