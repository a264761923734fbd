import { ageEntries, Counterfoil, defineEffect, type Effect } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'
import { Batch } from '../batch.js'
import { Arrivals } from '../queue.js'
import type { Receipt } from '../service/client.js'
import type { Order, Place, System } from '../system.js'

const CONNECTIONS = 4

/** Places of the dispatcher: an effect keeps its place until its outcome is written, long after its caller has gone on. */
const placesFor = (callers: number): number => Math.max(32, 4 * callers)

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
    const { pool, counterfoil, close } = counterfoilIn(place, pay)
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

/** `enqueue` with a dispatcher in the same process. */
export const counterfoilEnqueue: System = {
  name: 'counterfoil-enqueue',
  title: 'Counterfoil enqueue',
  promise:
    'Effectively once, made by a dispatcher: the effect exists if and only if the transaction that enqueued it committed.',
  docs: 'https://www.npmjs.com/package/counterfoil',
  isQueue: true,
  takesOverItself: true,
  open: async (place) => {
    const arrivals = new Arrivals()
    const pay = paymentEffect(place, (order) => arrivals.arrived(order.id))
    const { pool, counterfoil, close } = counterfoilIn(place, pay)
    await counterfoil.start()
    const enqueue = new Batch<Order, unknown>((orders) => counterfoil.enqueueMany(pay, orders))
    return {
      perform: async (order) => {
        await enqueue.add(order)
        await arrivals.of(order.id)
        return null
      },
      close: async () => {
        await close()
        await pool.end()
      },
    }
  },
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

function counterfoilIn({ databaseUrl, callers, ages }: Place, pay: Effect<Order, Receipt>): Made {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS })
  const journal = postgresJournal(pool, { preparedStatements: true })
  const counterfoil = new Counterfoil({
    journal,
    effects: [pay],
    concurrency: placesFor(callers),
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
