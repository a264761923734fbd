import { Counterfoil, defineEffect, type Effect, type LeaseService, type Provider } from 'counterfoil'
import { type PostgresTransaction, postgresJournal } from 'counterfoil/postgres'
import { type Order, record } from '../application.js'
import type { Services } from '../strategy.js'
import { CALL_TIMEOUT_MS, LOCK_GRACE_MS } from '../timing.js'
import type { Receipt } from './counterfoil-providers.js'

export type ChargeOrder<R extends Receipt> = Effect<Order, R, PostgresTransaction>

/** What a shop says of charging an order: what must happen once, by whom, and what the shop writes when it has. */
export function chargeOrder<R extends Receipt>(
  provider: Provider<Order, R>,
  serializeBy?: (order: Order) => string,
): ChargeOrder<R> {
  return defineEffect({
    name: 'charge-order',
    key: (order: Order) => order.id,
    ...(serializeBy === undefined ? {} : { serializeBy }),
    provider,
    settled: (tx: PostgresTransaction, order, outcome) =>
      outcome.kind === 'succeeded'
        ? record(tx, order, { status: 'paid', chargeId: outcome.receipt.latest_charge ?? outcome.receipt.id })
        : record(tx, order, { status: 'failed', reason: outcome.message }),
    // The lab's hours are seconds.
    timeout: CALL_TIMEOUT_MS,
    leaseGrace: LOCK_GRACE_MS,
    retryDelay: { first: '50ms', longest: '400ms' },
  })
}

/** Counterfoil at work in one process. */
export interface Running {
  readonly counterfoil: Counterfoil<PostgresTransaction>
  /** Ends what is under way, in order. */
  stop(): Promise<void>
}

/** Starts it, with the loop that carries what is due. */
export async function startCounterfoil<R extends Receipt>(
  { pool, cell }: Services,
  effect: ChargeOrder<R>,
  lease?: LeaseService,
): Promise<Running> {
  const journal = postgresJournal(pool)
  const counterfoil = new Counterfoil({
    journal,
    effects: [effect],
    // Cells that share a Redis must not share its leases.
    namespace: cell,
    ...(lease === undefined ? {} : { lease }),
    hooks: { onParked: ({ key }) => void markUnknown(pool, key, 'parked').catch(() => undefined) },
  })
  await counterfoil.start()
  return {
    counterfoil,
    async stop() {
      await counterfoil.stop()
      await journal.close()
    },
  }
}

/** The shop writes down that it does not know whether the order is paid. */
export async function markUnknown(
  pool: Services['pool'],
  orderId: string,
  status: 'in_doubt' | 'parked',
): Promise<void> {
  await pool.query(`update orders set status = $2 where id = $1 and status in ('open', 'in_doubt')`, [orderId, status])
}
