export const NO_REDIS =
  'No Redis answers. Start one (Debian: apt-get install redis-server; macOS: brew install redis; or ' +
  'docker run -p 6379:6379 redis) or name it in REDIS_URL.'

/** Whether a Redis answers there. */
export async function isRedisReachable(url: string): Promise<boolean> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 1_000, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.ping()
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
