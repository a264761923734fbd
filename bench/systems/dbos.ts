import { DBOS } from '@dbos-inc/dbos-sdk'
import type { Receipt } from '../service/client.js'
import type { Order, System } from '../system.js'

/** A workflow of one step, the least that makes the call durable, with the order as its id. */
export const dbos: System = {
  name: 'dbos',
  title: 'DBOS Transact',
  promise:
    'A workflow always goes on, and a finished step is not repeated; a step whose worker was lost in the middle runs again.',
  docs: 'https://docs.dbos.dev/architecture#workflow-reliability-guarantees',
  isQueue: false,
  takesOverItself: true,
  open: async ({ databaseUrl, service }) => {
    DBOS.setConfig({ name: 'bench', systemDatabaseUrl: databaseUrl, systemDatabasePoolSize: 16, logLevel: 'error' })
    const pay = DBOS.registerWorkflow(
      (order: Order): Promise<Receipt> => DBOS.runStep(() => service.charge(order, order.id), { name: 'charge' }),
      { name: 'pay' },
    )
    await DBOS.launch()
    return {
      perform: async (order) => {
        const handle = await DBOS.startWorkflow(pay, { workflowID: order.id })(order)
        return handle.getResult()
      },
      close: () => DBOS.shutdown(),
    }
  },
}
