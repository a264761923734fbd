import { Logger, makeWorkerUtils, run, type WorkerUtils } from 'graphile-worker'
import pg from 'pg'
import { Batch } from '../batch.js'
import { Arrivals } from '../queue.js'
import type { Order, System } from '../system.js'

const silent = new Logger(() => () => undefined)

/** Bulk adds, a local queue, and completions in batches, as its page on performance advises. */
export const graphileWorker: System = {
  name: 'graphile-worker',
  title: 'graphile-worker',
  promise:
    'A job is done at least once; one whose worker was lost runs again after four hours, or when it is unlocked by hand. A job key joins duplicates of a job that waits.',
  docs: 'https://worker.graphile.org/docs/performance',
  isQueue: true,
  takesOverItself: true,
  open: async ({ databaseUrl, service, callers, lostAfterMs }) => {
    const arrivals = new Arrivals()
    const pgPool = new pg.Pool({ connectionString: databaseUrl, max: 16 })
    const utils = await makeWorkerUtils({ pgPool, preset: { worker: { logger: silent } } })
    await utils.migrate()
    if (lostAfterMs !== null) await unlockAll(utils, pgPool)
    const runner = await run({
      pgPool,
      preset: {
        worker: {
          concurrentJobs: callers,
          pollInterval: 200,
          logger: silent,
          ...(callers === 1 ? {} : { localQueue: { size: callers + 1 }, completeJobBatchDelay: 0 }),
        },
      },
      noHandleSignals: true,
      taskList: {
        pay: async (payload) => {
          const order = payload as Order
          await service.charge(order, order.id)
          arrivals.arrived(order.id)
        },
      },
    })
    const add = new Batch<Order, unknown>(async (orders) => {
      await utils.addJobs(orders.map((order) => ({ identifier: 'pay', payload: order, jobKey: order.id })))
      return []
    })
    return {
      perform: async (order) => {
        await add.add(order)
        await arrivals.of(order.id)
        return null
      },
      close: async () => {
        await runner.stop()
        await utils.release()
        await pgPool.end()
      },
    }
  },
}

/** What an operator does who knows that the old worker is gone; without it, its jobs wait for four hours. */
async function unlockAll(utils: WorkerUtils, pgPool: pg.Pool): Promise<void> {
  const { rows } = await pgPool.query('SELECT DISTINCT locked_by FROM graphile_worker.jobs WHERE locked_by IS NOT NULL')
  await utils.forceUnlockWorkers(rows.map(({ locked_by }) => String(locked_by)))
}
