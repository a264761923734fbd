import { Queue, Worker } from 'bullmq'
import { counterfoil, type Order, type Payment, pay } from './payments.js'

/** `lostAfterSeconds`: a job whose worker has not been heard of for as long is given to another. */
export async function startWorker(lostAfterSeconds = 30) {
  await counterfoil.start()
  const connection = { url: process.env.REDIS_URL ?? 'redis://localhost:6379', maxRetriesPerRequest: null }
  const worker = new Worker<Order, Payment>('pay', ({ data }) => pay(data), {
    connection,
    lockDuration: lostAfterSeconds * 1000,
    stalledInterval: lostAfterSeconds * 1000,
    maxStalledCount: 50, // the default 1 fails a job for good that has lost two workers
  })
  worker.on('error', console.error)
  const queue = new Queue<Order>('pay', { connection })
  const again = { attempts: 50, backoff: { type: 'exponential', delay: 1000 } }
  return { submit: (order: Order) => queue.add('pay', order, again) }
}
