import type { LeaseService } from 'counterfoil'
import { fromPg } from 'counterfoil/pg'
import { inTransaction } from '../../programs/transaction.js'
import { accept } from '../application.js'
import type { Handler, Services, Strategy } from '../strategy.js'
import { type ChargeOrder, chargeOrder, startCounterfoil } from './counterfoil-engine.js'
import { gatewayWithKeys, type Receipt, searchableGateway } from './counterfoil-providers.js'

/**
 * The order is accepted and its charge enqueued in one transaction: both are, or neither is. A dispatcher, in any of the
 * processes, makes the call after that commit.
 */
export const counterfoilOutbox: Strategy = {
  name: 'counterfoil/outbox',
  gateway: 'lookup',
  idea: "enqueues the effect in the order's own transaction; a dispatcher makes it after the commit",
  start: (services) => startEnqueueing(services, chargeOrder(searchableGateway(services))),
}

/** The message's id, the order's state and the effect are one transaction; a duplicate message changes nothing. */
export const counterfoilInbox: Strategy = {
  name: 'counterfoil/inbox',
  gateway: 'keys',
  idea: 'receives the message once, and enqueues the effect in that transaction; a dispatcher makes it',

  async start(services) {
    const effect = chargeOrder(gatewayWithKeys(services))
    const { counterfoil, stop } = await startCounterfoil(services, effect)
    return {
      async handle({ id, order }) {
        await counterfoil.receive({ source: 'orders', id }, async (tx) => {
          await accept(tx, order)
          await counterfoil.enqueue(effect, order, { tx })
        })
      },
      stop,
    }
  },
}

/** The handler commits the order and its effect; the dispatcher that makes the call runs in the same process. */
export async function startEnqueueing<R extends Receipt>(
  services: Services,
  effect: ChargeOrder<R>,
  lease?: LeaseService,
): Promise<Handler> {
  const { counterfoil, stop } = await startCounterfoil(services, effect, lease)
  return {
    handle: ({ order }) =>
      inTransaction(services.pool, async (client) => {
        await accept(client, order)
        await counterfoil.enqueue(effect, order, { tx: fromPg(client) })
      }),
    stop,
  }
}
