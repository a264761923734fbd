import { PgBoss } from 'pg-boss'
import { counterfoil, databaseUrl, type Order, pay } from './payments.js'

/** `lostAfterSeconds`: how long a job may run. One whose worker was lost is then given to another. */
export async function startWorker(lostAfterSeconds = 120) {
  await counterfoil.start()
  const boss = new PgBoss({
    connectionString: databaseUrl,
    superviseIntervalSeconds: Math.min(lostAfterSeconds, 60),
    monitorIntervalSeconds: Math.min(lostAfterSeconds, 60),
  })
  boss.on('error', console.error)
  await boss.start()
  await boss.createQueue('pay', {
    expireInSeconds: lostAfterSeconds,
    retryLimit: 50,
    retryDelay: 1,
    retryBackoff: true,
  })
  await boss.work<Order>('pay', async ([job]) => job && pay(job.data))
  return { submit: (order: Order) => boss.send('pay', order) }
}
