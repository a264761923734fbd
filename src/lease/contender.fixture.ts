// A process that takes one lease again and again, and writes down on its standard output when it counts on holding it.
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { createClient } from 'redis'
import type { ContenderPlan, ServicePlan, Sighting } from '../../test/support/contenders.js'
import { withLease } from '../engine/with-lease.js'
import type { LeaseService } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { MemoryLease } from './memory.js'
import { postgresLease } from './postgres/index.js'
import { redisLease } from './redis/index.js'

const plan: ContenderPlan = JSON.parse(process.argv[2] ?? '')
const service = await connect(plan.service)

for (;;) {
  await withLease(service, plan.key, { ttl: plan.ttlMs, wait: '1m' }, async (lease) => {
    // The time is read before the lease is looked at: were this process put aside in between, it would otherwise claim
    // to have counted on the lease for longer than it did.
    const look = (what: 'enter' | 'act' | 'leave'): boolean => {
      const atMs = Number(process.hrtime.bigint() / 1000n) / 1000
      const { aborted } = lease.signal
      const remainingMs = lease.remainingMs()
      const held = !aborted && remainingMs > 0
      say({ what: held ? what : 'lost', fence: lease.fence, atMs, untilMs: atMs + remainingMs, aborted })
      return held
    }
    const enteredAtMs = performance.now()
    if (!look('enter')) return
    if (plan.stopsItself) process.kill(process.pid, 'SIGSTOP')
    while (performance.now() - enteredAtMs < plan.holdMs) {
      if (!look('act')) return
      await realClock.sleep(3)
    }
    look('leave')
  }).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  })
}

/** On the monotonic clock, which all processes of a machine share. */
function say(sighting: Sighting): void {
  process.stdout.write(`${JSON.stringify(sighting)}\n`)
}

async function connect(service: ServicePlan): Promise<LeaseService> {
  switch (service.kind) {
    case 'postgres': {
      const pool = new Pool({ connectionString: service.url, max: 2 })
      pool.on('error', () => undefined)
      return postgresLease(pool)
    }
    case 'ioredis': {
      const client = new Redis(service.url, { retryStrategy: () => 20 })
      client.on('error', () => undefined)
      return redisLease(client, service)
    }
    case 'node-redis': {
      const client = createClient({ url: service.url, socket: { reconnectStrategy: 20 } })
      client.on('error', () => undefined)
      await client.connect()
      return redisLease(client, service)
    }
    case 'alone':
      return new MemoryLease(realClock)
  }
}
