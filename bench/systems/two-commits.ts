import pg from 'pg'
import type { Receipt } from '../service/client.js'
import type { Order, System } from '../system.js'

/** More connections than this only make two cores switch between backends. */
const CONNECTIONS = 16

/** What a careful developer writes by hand: the intent is committed, the call is made, the outcome is committed. */
export const twoCommits: System = {
  name: 'two-commits',
  title: 'two commits by hand',
  promise: 'A finished payment is not repeated; one whose worker was lost is charged again when it is asked for again.',
  docs: 'https://brandur.org/idempotency-keys',
  isQueue: false,
  inSeveral: true,
  takesOverItself: false,
  open: async ({ databaseUrl, service, callers }) => {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: Math.min(callers, CONNECTIONS) })
    await pool.query(SCHEMA)
    const underWay = new Map<string, Promise<Receipt>>()
    const pay = async (order: Order): Promise<Receipt> => {
      const inserted = await pool.query({ name: 'intent', text: INTENT, values: [order.id, JSON.stringify(order)] })
      if (inserted.rowCount === 0) {
        const { rows } = await pool.query({ name: 'read', text: READ, values: [order.id] })
        if (rows[0]?.receipt !== null) return rows[0]?.receipt as Receipt
      }
      const receipt = await service.charge(order, order.id)
      await pool.query({ name: 'outcome', text: OUTCOME, values: [order.id, JSON.stringify(receipt)] })
      return receipt
    }
    return {
      perform: (order) => {
        const joined = underWay.get(order.id)
        if (joined !== undefined) return joined
        const paying = pay(order).finally(() => underWay.delete(order.id))
        underWay.set(order.id, paying)
        return paying
      },
      close: () => pool.end(),
    }
  },
}

/** Half of each page stays free, so that an outcome is written beside its intent and touches no index. */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS payments (
  id text PRIMARY KEY,
  state text NOT NULL,
  input json NOT NULL,
  receipt json,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50)`

const INTENT = `
INSERT INTO payments (id, state, input) VALUES ($1, 'executing', $2)
ON CONFLICT (id) DO NOTHING`

const OUTCOME = `UPDATE payments SET state = 'succeeded', receipt = $2, updated_at = now() WHERE id = $1`

const READ = 'SELECT receipt FROM payments WHERE id = $1'
