import pg from 'pg'
import { Batch } from '../batch.js'
import type { Receipt } from '../service/client.js'
import type { OpenSystem, Order, Place, System } from '../system.js'
import { SCHEMA } from './two-commits.js'

/**
 * The hand-tuned limit: intents of concurrent callers in one statement, outcomes likewise, the next batch sent when the
 * last returns. One connection for each, prepared statements, and a plan that is forced to go by the index.
 */
export const batched: System = {
  name: 'batched',
  title: 'batched by hand',
  promise: 'As two commits by hand: what was in flight when the worker was lost is charged again.',
  docs: 'https://www.postgresql.org/docs/current/populate.html',
  isQueue: false,
  inSeveral: true,
  takesOverItself: false,
  open: (place) => openBatched(place, 'joined'),
}

/** The same without a list of what is under way in the process: what it takes to answer duplicates by the database. */
export const batchedApart: System = {
  ...batched,
  name: 'batched-apart',
  title: 'batched by hand, each for himself',
  promise:
    'As batched by hand, and duplicates meet in the database only: who finds a payment that is under way makes it too.',
  onlyDuplicates: true,
  open: (place) => openBatched(place, 'apart'),
}

async function openBatched({ databaseUrl, service }: Place, duplicates: 'joined' | 'apart'): Promise<OpenSystem> {
  const [intents, outcomes] = await Promise.all([connect(databaseUrl), connect(databaseUrl)])
  await intents.query(SCHEMA)
  const begin = new Batch<Order, Receipt | null>(async (orders) => {
    const ids = orders.map(({ id }) => id)
    const inputs = orders.map((order) => JSON.stringify(order))
    const created = await intents.query({ name: 'intents', text: INTENTS, values: [ids, inputs] })
    if (created.rowCount === ids.length) return orders.map(() => null)
    const standing = await intents.query({ name: 'read', text: READ, values: [ids] })
    const receipts = new Map(standing.rows.map(({ id, receipt }) => [id as string, receipt as Receipt | null]))
    return ids.map((id) => receipts.get(id) ?? null)
  })
  const end = new Batch<{ readonly id: string; readonly receipt: Receipt }, void>(async (ended) => {
    const values = [ended.map(({ id }) => id), ended.map(({ receipt }) => JSON.stringify(receipt))]
    await outcomes.query({ name: 'outcomes', text: OUTCOMES, values })
    return []
  })
  const underWay = new Map<string, Promise<Receipt>>()
  const pay = async (order: Order): Promise<Receipt> => {
    const known = await begin.add(order)
    if (known !== null) return known
    const receipt = await service.charge(order, order.id)
    await end.add({ id: order.id, receipt })
    return receipt
  }
  return {
    perform: (order) => {
      if (duplicates === 'apart') return pay(order)
      const joined = underWay.get(order.id)
      if (joined !== undefined) return joined
      const paying = pay(order).finally(() => underWay.delete(order.id))
      underWay.set(order.id, paying)
      return paying
    },
    close: async () => {
      await Promise.all([intents.end(), outcomes.end()])
    },
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  // Without statistics of a fresh table, the planner would read the whole of it for each batch.
  await client.query('SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off')
  return client
}

const INTENTS = `
INSERT INTO payments (id, state, input)
SELECT i.id, 'executing', i.input FROM unnest($1::text[], $2::json[]) AS i (id, input)
ON CONFLICT (id) DO NOTHING
RETURNING id`

const OUTCOMES = `
UPDATE payments AS p SET state = 'succeeded', receipt = o.receipt, updated_at = now()
FROM unnest($1::text[], $2::json[]) AS o (id, receipt)
WHERE p.id = o.id`

const READ = 'SELECT id, receipt FROM payments WHERE id = ANY($1::text[])'
