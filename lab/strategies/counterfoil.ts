import { Counterfoil, defineEffect, EffectInDoubt, EffectRejected, type Provider } from 'counterfoil'
import { type PostgresTransaction, postgresJournal } from 'counterfoil/postgres'
import { stripePaymentIntents } from 'counterfoil/stripe'
import { type Order, paymentFor, record } from '../application.js'
import type { Handler, Services, Strategy } from '../strategy.js'
import { CALL_TIMEOUT_MS, KEY_WINDOW_MS, LOCK_GRACE_MS, SETTLES_WITHIN_MS } from '../timing.js'
import { type Receipt, searchableGateway, silentGateway } from './counterfoil-providers.js'

/**
 * The intent is journalled before the call, one worker holds the right to make it, and after a doubt nothing is sent
 * again without proof. What proof there is depends on the gateway, and the provider says so.
 */
function counterfoil<R extends Receipt>(
  gateway: Strategy['gateway'],
  idea: string,
  providerOf: (services: Services) => Provider<Order, R>,
): Strategy {
  return { name: 'counterfoil', gateway, idea, start: (services) => startCounterfoil(services, providerOf(services)) }
}

export const counterfoilOnKeys = counterfoil(
  'keys',
  'journals the intent; ends a doubt by the same key inside its window, else by the list',
  ({ stripe }) =>
    stripePaymentIntents(stripe, paymentFor, {
      facts: {
        idempotencyKey: { window: KEY_WINDOW_MS, margin: '250ms' },
        settlesWithin: SETTLES_WITHIN_MS,
        clockSkew: '1s',
      },
    }),
)

export const counterfoilOnLookup = counterfoil(
  'lookup',
  'journals the intent; ends a doubt by a look-up, whose "no" counts only when it cannot lag any more',
  searchableGateway,
)

export const counterfoilOnNothing = counterfoil(
  'none',
  'journals the intent; parks a doubt, since nothing can end it',
  silentGateway,
)

async function startCounterfoil<R extends Receipt>({ pool }: Services, provider: Provider<Order, R>): Promise<Handler> {
  const chargeOrder = defineEffect({
    name: 'charge-order',
    key: (order: Order) => order.id,
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
  const journal = postgresJournal(pool)
  const engine = new Counterfoil({ journal, effects: [chargeOrder], pollInterval: '200ms' })
  await engine.start()

  return {
    async handle({ order }) {
      try {
        await engine.perform(chargeOrder, order, { wait: '10s' })
      } catch (error) {
        if (error instanceof EffectRejected) return
        if (!(error instanceof EffectInDoubt)) throw error
        const status = error.state === 'parked' ? 'parked' : 'in_doubt'
        await pool.query(`update orders set status = $2 where id = $1 and status in ('open', 'in_doubt')`, [
          order.id,
          status,
        ])
        // Parked: a person has been told, and asking again would not help. Otherwise the broker asks again.
        if (status === 'in_doubt') throw error
      }
    },
    async stop() {
      await engine.stop()
      await journal.close()
    },
  }
}
