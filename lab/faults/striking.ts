import type { FaultRule, Fault as GatewayFault } from 'counterfoil/testing'
import type { Order } from '../application.js'
import type { Stage } from '../fault.js'

/** The first charge of each of these orders meets `fault` at the gateway; every later one goes well. */
export function onFirstCharge(orders: readonly Order[], fault: (place: number) => GatewayFault): FaultRule[] {
  return orders.map((order, place) => ({
    fault: fault(place),
    route: 'payment_intents.create',
    businessKey: order.id,
    times: 1,
  }))
}

/** Publishes a message for each order. */
export function publish(stage: Stage, orders: readonly Order[]): void {
  for (const order of orders) stage.broker.publish(stage.messageFor(order))
}

/** Resolves when the gateway has taken the money for each of these orders. */
export function untilCharged(stage: Stage, orders: readonly Order[]): Promise<void> {
  return untilEach(stage, orders, 'executed')
}

/** Resolves when the gateway has answered the charge of each of these orders, or nobody waits for the answer any more. */
export function untilAnswered(stage: Stage, orders: readonly Order[]): Promise<void> {
  return untilEach(stage, orders, 'finished')
}

async function untilEach(stage: Stage, orders: readonly Order[], what: 'executed' | 'finished'): Promise<void> {
  await Promise.all(
    orders.map((order) => stage.gateway.until(what, { route: 'payment_intents.create', businessKey: order.id })),
  )
}
