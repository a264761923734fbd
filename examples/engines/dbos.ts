import { DBOS } from '@dbos-inc/dbos-sdk'
import { counterfoil, databaseUrl, type Order, type Payment, pay } from './payments.js'

const payOrder = DBOS.registerWorkflow(
  (order: Order): Promise<Payment> =>
    DBOS.runStep(() => pay(order), { name: 'pay', retriesAllowed: true, maxAttempts: 50, intervalSeconds: 5 }),
  { name: 'pay-order' },
)

export async function startWorker() {
  await counterfoil.start()
  DBOS.setConfig({ name: 'shop', systemDatabaseUrl: databaseUrl })
  await DBOS.launch() // takes up the workflows that this executor was lost in
  return { submit: (order: Order) => DBOS.startWorkflow(payOrder, { workflowID: order.id })(order) }
}
