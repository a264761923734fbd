import { Queue, Worker } from 'bullmq'
import { Batch } from '../batch.js'
import { Arrivals } from '../queue.js'
import type { Order, System } from '../system.js'

const QUEUE = 'payments'

/** Bulk adds and a worker with as much concurrency as there are callers. */
function bullmq(appendfsync: 'everysec' | 'always'): System {
  return {
    name: `bullmq-${appendfsync}`,
    title: `BullMQ, AOF ${appendfsync}`,
    promise:
      appendfsync === 'always'
        ? 'A job is done at least once; one whose worker was lost is stalled and runs again. A job id drops duplicates while the job is kept.'
        : 'As with `always`, but Redis may lose up to a second of acknowledged jobs when it crashes.',
    docs: 'https://docs.bullmq.io/guide/workers/concurrency',
    isQueue: true,
    needsRedis: appendfsync,
    takesOverItself: true,
    open: async ({ redisUrl, service, callers, lostAfterMs }) => {
      const { hostname: host, port } = new URL(redisUrl)
      const connection = { host, port: Number(port), maxRetriesPerRequest: null }
      const arrivals = new Arrivals()
      const queue = new Queue<Order>(QUEUE, { connection })
      const lost =
        lostAfterMs === null ? {} : { lockDuration: lostAfterMs, stalledInterval: lostAfterMs, maxStalledCount: 5 }
      const worker = new Worker<Order>(
        QUEUE,
        async ({ data }) => {
          const receipt = await service.charge(data, data.id)
          arrivals.arrived(data.id)
          return receipt
        },
        { connection, concurrency: callers, ...lost },
      )
      worker.on('error', (error) => console.error(error))
      await worker.waitUntilReady()
      const add = new Batch<Order, unknown>(async (orders) => {
        await queue.addBulk(orders.map((order) => ({ name: 'pay', data: order, opts: { jobId: order.id } })))
        return []
      })
      return {
        perform: async (order) => {
          await add.add(order)
          await arrivals.of(order.id)
          return null
        },
        close: async () => {
          await worker.close()
          await queue.close()
        },
      }
    },
  }
}

export const bullmqEverysec: System = bullmq('everysec')
export const bullmqAlways: System = bullmq('always')
