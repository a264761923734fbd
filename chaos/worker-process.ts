/** One worker of the shop: a process of its own, which may be killed or stopped at any moment. */
import { postgresJournal } from 'counterfoil/postgres'
import { redisLease } from 'counterfoil/redis'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { shopCounterfoil } from './shop.js'
import { LEASE_MS } from './timing.js'
import type { WorkerPlan } from './worker.js'

const plan = JSON.parse(process.argv[2] ?? '') as WorkerPlan

// A connection into a blackhole gives no answer and no error: without time-outs a worker would wait for it for ever.
const pool = new Pool({
  connectionString: plan.databaseUrl,
  max: 8,
  connectionTimeoutMillis: 1_500,
  query_timeout: 4_000,
})
pool.on('error', () => undefined)

const lease = plan.redisPort === null ? {} : { lease: redisLeaseAt(plan.redisPort) }
const { counterfoil } = shopCounterfoil(plan.gateway, {
  journal: postgresJournal(pool),
  ...lease,
  pollInterval: '250ms',
  concurrency: 24,
  hooks: { onError: (error) => process.send?.({ error: error instanceof Error ? error.message : String(error) }) },
})

process.on('message', () => process.send?.({ wallMs: Date.now() }))
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => void counterfoil.stop().then(() => process.exit(0)))
// Ctrl-C reaches the whole process group; the run itself ends its workers.
process.on('SIGINT', () => undefined)

await startWhenPossible()
process.send?.({ ready: true })

/** A worker may come up while the database is down. */
async function startWhenPossible(): Promise<void> {
  for (;;) {
    try {
      return await counterfoil.start()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function redisLeaseAt(port: number) {
  const redis = new Redis({ host: '127.0.0.1', port, commandTimeout: 1_000, maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined)
  return redisLease(redis, { maxTtl: LEASE_MS })
}
