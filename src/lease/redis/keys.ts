import { createHash } from 'node:crypto'

/**
 * Leases are spread over this many buckets. A bucket is one hash slot of a Redis Cluster (`{…}` in the names), which
 * lets a script see a lease together with the epoch of the node that keeps it. All processes must agree on it.
 */
export const BUCKETS = 64

export interface RedisKeys {
  readonly lease: string
  readonly epoch: string
}

/** The names in Redis of a lease and of its bucket's epoch. */
export function redisKeys(prefix: string, key: string): RedisKeys {
  const bucket = createHash('sha256').update(key).digest().readUInt8(0) % BUCKETS
  return { lease: `${tag(prefix, bucket)}:lease:${key}`, epoch: epochKey(prefix, bucket) }
}

export function epochKey(prefix: string, bucket: number): string {
  return `${tag(prefix, bucket)}:epoch`
}

// The first {…} of a name is its hash tag: the prefix must hold no brace (checked), the key may hold any.
function tag(prefix: string, bucket: number): string {
  return `{${prefix}:${bucket}}`
}
