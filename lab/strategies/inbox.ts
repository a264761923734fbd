import { inTransaction } from '../../programs/transaction.js'
import { charge, record, statusOf } from '../application.js'
import type { Strategy } from '../strategy.js'

/**
 * Every message is handled once: its id goes into a table with a unique key, in the same transaction as all that the
 * handler changes. A second delivery waits at the key until the first has committed, and then finds its id there.
 *
 * The transaction covers the database. The call inside it is not in it: a rollback takes back the id and the mark, and
 * leaves the charge.
 */
export const inbox: Strategy = {
  name: 'inbox',
  gateway: 'none',
  idea: 'records the message id under a unique key, in one transaction with the order, and charges inside it',
  schema: 'create table inbox (message_id text primary key, received_at timestamptz not null default now())',
  holdsConnections: true,

  async start({ pool, stripe }) {
    return {
      handle: ({ id, order }) =>
        inTransaction(pool, async (tx) => {
          const inserted = await tx.query('insert into inbox (message_id) values ($1) on conflict do nothing', [id])
          if (inserted.rowCount === 0) return
          if ((await statusOf(tx, order)) !== 'open') return
          const payment = await charge(stripe, order)
          await record(tx, order, payment)
        }),
      async stop() {},
    }
  },
}
