import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import type { Ground } from './ground.js'
import type { Results } from './results.js'

const PACKAGES = [
  'pg',
  'undici',
  'pg-boss',
  'graphile-worker',
  'bullmq',
  '@dbos-inc/dbos-sdk',
  '@restatedev/restate-server',
  '@restatedev/restate-sdk',
  '@aws-lambda-powertools/idempotency',
]

export function loadNow(): number {
  return loadavg()[0] ?? 0
}

export function machineNow(loadBefore: number): Results['machine'] {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    loadBefore,
    loadAfter: loadNow(),
  }
}

export function versionsOf(ground: Ground): Record<string, string> {
  const redis = ground.redisVersion
  return {
    node: process.versions.node,
    postgres: ground.postgres.version,
    ...(redis === null ? {} : { redis }),
    ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
  }
}

/** A package's version, from its own manifest, which `exports` may hide. */
function versionOf(name: string): string {
  const entry = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of entry) {
    try {
      return (JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }).version
    } catch {
      // Not in this folder.
    }
  }
  return 'unknown'
}
