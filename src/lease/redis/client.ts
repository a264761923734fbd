import type { Script } from './scripts.js'

/** What is asked of an `ioredis` Redis or Cluster. */
export interface IoRedisClient {
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval(source: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

interface ScriptArguments {
  keys: string[]
  arguments: string[]
}

/** What is asked of a `redis` (node-redis) client, pool or cluster. */
export interface NodeRedisClient {
  evalSha(sha: string, options: ScriptArguments): Promise<unknown>
  eval(source: string, options: ScriptArguments): Promise<unknown>
}

export type RedisClient = IoRedisClient | NodeRedisClient

/** Runs a script by its digest, and sends its text where the server does not know it (yet, or after a restart). */
export async function runScript(
  client: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<readonly string[]> {
  const call = { keys: [...keys], arguments: [...args] }
  try {
    return texts(
      'evalSha' in client
        ? await client.evalSha(script.sha, call)
        : await client.evalsha(script.sha, keys.length, ...keys, ...args),
    )
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
  }
  return texts(
    'evalSha' in client
      ? await client.eval(script.source, call)
      : await client.eval(script.source, keys.length, ...keys, ...args),
  )
}

// Buffers, where a client is set to return them.
function texts(reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) throw new TypeError(`The script answered ${JSON.stringify(reply)} instead of a list`)
  return reply.map(String)
}
