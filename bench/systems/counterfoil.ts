import { ageEntries, Counterfoil, defineEffect, type Effect } from 'counterfoil'
import { fromPg } from 'counterfoil/pg'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'
import { Batch } from '../batch.js'
import { Arrivals } from '../queue.js'
import type { Receipt } from '../service/client.js'
import type { OpenSystem, Order, Place, System } from '../system.js'

const CONNECTIONS = 4

/** Of a dispatcher that begins at once: an effect keeps its place until its outcome is written, when its caller has gone on. */
const placesBeside = (callers: number): number => Math.max(32, 4 * callers)

/** `perform`: now, once, with the receipt. */
export const counterfoilPerform: System = {
  name: 'counterfoil',
  title: 'Counterfoil perform',
  promise:
    'Effectively once: what was in flight when the worker was lost is looked up at the service before anything is repeated.',
  docs: 'https://www.npmjs.com/package/counterfoil',
  isQueue: false,
  inSeveral: true,
  takesOverItself: false,
  open: async (place) => {
    const pay = paymentEffect(place)
    const { pool, counterfoil, close } = counterfoilIn(place, pay, place.callers)
    await counterfoil.start()
    return {
      perform: (order) => counterfoil.perform(pay, order),
      beside: place.ages === true ? (signal) => keepAging(counterfoil, signal) : undefined,
      close: async () => {
        await close()
        await pool.end()
      },
    }
  },
}

const OUTBOX_PROMISE =
  'Effectively once, made by a dispatcher: the effect exists if and only if the transaction that enqueued it committed.'

/** `enqueue` in a transaction of its own, with a dispatcher in the same process. */
export const counterfoilEnqueue: System = {
  name: 'counterfoil-enqueue',
  title: 'Counterfoil enqueue',
  promise: OUTBOX_PROMISE,
  docs: 'https://www.npmjs.com/package/counterfoil',
  isQueue: true,
  beginsAtOnce: true,
  takesOverItself: true,
  open: (place) =>
    openQueue(place, placesBeside(place.callers), ({ counterfoil }, pay, orders) =>
      counterfoil.enqueueMany(pay, orders),
    ),
}

/** `enqueue` in the application's own transaction (outbox): what a dispatcher has to claim afterwards. */
export const counterfoilOutbox: System = {
  name: 'counterfoil-outbox',
  title: 'Counterfoil enqueue in tx',
  promise: `${OUTBOX_PROMISE} Here that transaction is the application's own, which the dispatcher learns of afterwards.`,
  docs: 'https://www.npmjs.com/package/counterfoil',
  isQueue: true,
  takesOverItself: true,
  open: (place) => openQueue(place, place.callers, enqueueInTransaction),
}

async function enqueueInTransaction(
  { pool, counterfoil }: Made,
  pay: Effect<Order, Receipt>,
  orders: readonly Order[],
): Promise<void> {
  const client = await pool.connect()
  let isOpen = true
  try {
    await client.query('BEGIN')
    await counterfoil.enqueueMany(pay, orders, { tx: fromPg(client) })
    await client.query('COMMIT')
    isOpen = false
  } finally {
    // With its transaction still open it is of no use to the next one.
    client.release(isOpen)
  }
}

async function openQueue(
  place: Place,
  places: number,
  write: (made: Made, pay: Effect<Order, Receipt>, orders: readonly Order[]) => Promise<unknown>,
): Promise<OpenSystem> {
  const arrivals = new Arrivals()
  const pay = paymentEffect(place, (order) => arrivals.arrived(order.id))
  const made = counterfoilIn(place, pay, places)
  await made.counterfoil.start()
  const enqueue = new Batch<Order, unknown>(async (orders) => {
    await write(made, pay, orders)
    return []
  })
  return {
    perform: async (order) => {
      await enqueue.add(order)
      await arrivals.of(order.id)
      return null
    },
    close: async () => {
      await made.close()
      await made.pool.end()
    },
  }
}

function paymentEffect(place: Place, onCalled: (order: Order) => void = () => undefined): Effect<Order, Receipt> {
  const { service, lostAfterMs } = place
  return defineEffect<Order, Receipt, unknown>({
    name: 'pay-order',
    key: (order) => order.id,
    ...(lostAfterMs === null ? {} : { timeout: lostAfterMs, leaseGrace: lostAfterMs }),
    provider: {
      // Like the forms by hand, without a signal: it costs each call an AbortController and its listeners.
      execute: async (order) => {
        const receipt = await service.charge(order, order.id)
        onCalled(order)
        return receipt
      },
      find: (order, call) => service.find(order.id, call.signal),
      settlesWithin: 0,
    },
  })
}

/** One walk after the other, where a process would let hours pass between two. */
async function keepAging(counterfoil: Counterfoil, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await ageEntries(counterfoil, { signal })
}

interface Made {
  readonly pool: pg.Pool
  readonly counterfoil: Counterfoil
  close(): Promise<void>
}

/** Of a year of entries, a third is old enough to become compact, and a quarter of that to be purged. */
const RETENTION = { compactAfter: '243d', purgeAfter: '335d' } as const

function counterfoilIn({ databaseUrl, ages }: Place, pay: Effect<Order, Receipt>, concurrency: number): Made {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS })
  const journal = postgresJournal(pool, { preparedStatements: true })
  const counterfoil = new Counterfoil({
    journal,
    effects: [pay],
    concurrency,
    maxUnderWay: 256,
    retention: ages === true ? RETENTION : {},
  }) as Counterfoil
  return {
    pool,
    counterfoil,
    close: async () => {
      await counterfoil.stop()
      await journal.close()
    },
  }
}
