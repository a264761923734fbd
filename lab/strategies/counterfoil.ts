import { EffectInDoubt, EffectRejected, type Provider } from 'counterfoil'
import type { Order } from '../application.js'
import type { Handler, Services, Strategy } from '../strategy.js'
import { chargeOrder, markUnknown, startCounterfoil } from './counterfoil-engine.js'
import { gatewayWithKeys, type Receipt, searchableGateway, silentGateway } from './counterfoil-providers.js'

/**
 * The intent is journalled before the call, one worker holds the right to make it, and after a doubt nothing is sent
 * again without proof. What proof there is depends on the gateway, and the provider says so.
 */
function counterfoil<R extends Receipt>(
  gateway: Strategy['gateway'],
  idea: string,
  providerOf: (services: Services) => Provider<Order, R>,
): Strategy {
  return { name: 'counterfoil', gateway, idea, start: (services) => startPerforming(services, providerOf(services)) }
}

export const counterfoilOnKeys = counterfoil(
  'keys',
  'journals the intent; ends a doubt by the same key inside its window, else by the list',
  gatewayWithKeys,
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

/** Handles each message by making the effect happen now, once. */
export async function startPerforming<R extends Receipt>(
  services: Services,
  provider: Provider<Order, R>,
): Promise<Handler> {
  const effect = chargeOrder(provider)
  const { counterfoil: engine, stop } = await startCounterfoil(services, effect)
  return {
    async handle({ order }) {
      try {
        await engine.perform(effect, order, { wait: '10s' })
      } catch (error) {
        if (error instanceof EffectRejected) return
        if (!(error instanceof EffectInDoubt)) throw error
        const status = error.state === 'parked' ? 'parked' : 'in_doubt'
        await markUnknown(services.pool, order.id, status)
        // Parked: a person has been told, and asking again would not help. Otherwise the broker asks again.
        if (status === 'in_doubt') throw error
      }
    },
    stop,
  }
}
