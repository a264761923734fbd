import { PgBoss } from 'pg-boss'
import { Batch } from '../batch.js'
import { Arrivals } from '../queue.js'
import type { Order, System } from '../system.js'

const QUEUE = 'payments'
/** Jobs that one fetch takes; its workers beside one another share the connections. */
const LARGEST_BATCH = 64

/** Bulk inserts, batched fetches that go on while batches come back full, and NOTIFY for when they do not. */
export const pgBoss: System = {
  name: 'pg-boss',
  title: 'pg-boss',
  promise:
    'A job is done at least once; one whose worker was lost runs again. `singletonKey` drops duplicates of a job that waits or runs.',
  docs: 'https://pgboss.io/api/workers',
  isQueue: true,
  takesOverItself: true,
  open: async ({ databaseUrl, service, callers, lostAfterMs }) => {
    const boss = new PgBoss({
      connectionString: databaseUrl,
      max: 8,
      useListenNotify: true,
      schedule: false,
      ...(lostAfterMs === null ? {} : { monitorIntervalSeconds: 1, superviseIntervalSeconds: 1 }),
    })
    boss.on('error', (error) => console.error(error))
    await boss.start()
    const lostAfter = lostAfterMs === null ? {} : { expireInSeconds: Math.ceil(lostAfterMs / 1000), retryLimit: 5 }
    await boss.createQueue(QUEUE, { policy: 'exclusive', notify: true, ...lostAfter })
    const arrivals = new Arrivals()
    const batchSize = Math.min(callers, LARGEST_BATCH)
    const options = {
      batchSize,
      localConcurrency: Math.ceil(callers / batchSize),
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
    }
    await boss.work<Order>(QUEUE, options, async (jobs) => {
      await Promise.all(jobs.map(({ data }) => service.charge(data, data.id)))
      for (const { data } of jobs) arrivals.arrived(data.id)
    })
    const insert = new Batch<Order, unknown>(async (orders) => {
      await boss.insert(
        QUEUE,
        orders.map((order) => ({ data: order, singletonKey: order.id })),
      )
      return []
    })
    return {
      perform: async (order) => {
        await insert.add(order)
        await arrivals.of(order.id)
        return null
      },
      close: () => boss.stop({ graceful: true, timeout: 5_000 }),
    }
  },
}
