import { inTransaction } from '../../programs/transaction.js'
import { charge, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'

/**
 * One worker at a time per order: its row is locked while the gateway is called.
 *
 * The lock ends with the transaction, and the transaction ends with the worker or with the database's connection to
 * it. What a lost worker has charged, the next holder of the lock cannot see. And every call holds a connection.
 */
export const rowLock: Strategy = {
  name: 'row-lock',
  gateway: 'none',
  idea: 'holds SELECT … FOR UPDATE on the order across the call',
  holdsConnections: true,

  async start({ pool, stripe }) {
    return {
      handle: ({ order }) =>
        inTransaction(pool, async (tx) => {
          await tx.query('select 1 from orders where id = $1 for update', [order.id])
          if ((await statusOf(tx, order)) !== 'open') return
          const payment = await charge(stripe, order)
          await record(tx, order, payment)
        }),
      async stop() {},
    }
  },
}
