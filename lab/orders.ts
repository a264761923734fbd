import type { Order } from './application.js'
import { fraction, shuffled } from './seeded.js'

const DECLINED_SHARE = 0.05
const DECLINED_CARD = 'pm_card_visa_chargeDeclined'

/**
 * The orders of a cell. Every customer has two of them, the second long after the first. A few cards, one at least, are declined;
 * the seed says which, and what the orders cost.
 */
export function makeOrders(count: number, seed: number): Order[] {
  const ids = Array.from({ length: count }, (_, index) => `order-${String(index + 1).padStart(4, '0')}`)
  const declinedCount = Math.max(1, Math.round(count * DECLINED_SHARE))
  const declined = new Set(shuffled(ids, seed, (id) => `card of ${id}`).slice(0, declinedCount))
  const customers = Math.ceil(count / 2)
  return ids.map((id, index) => ({
    id,
    customer: `customer-${String((index % customers) + 1).padStart(4, '0')}`,
    cents: 500 + Math.floor(fraction(seed, `price of ${id}`) * 20_000),
    card: declined.has(id) ? DECLINED_CARD : 'pm_card_visa',
  }))
}

/** Whether the gateway will decline the card. */
export function isDeclined(order: Order): boolean {
  return order.card === DECLINED_CARD
}

/**
 * Chooses by the seed which orders a fault strikes: a quarter, of those whose cards are good, and no two of one customer,
 * so that where one customer's orders wait for each other, all of these are under way together.
 */
export function strike(
  orders: readonly Order[],
  seed: number,
  atMost = Number.POSITIVE_INFINITY,
): { readonly struck: readonly Order[]; readonly spared: readonly Order[] } {
  const good = orders.filter((order) => !isDeclined(order))
  const count = Math.min(Math.ceil(orders.length / 4), atMost, good.length)
  const struck = new Set(onePerCustomer(shuffled(good, seed, (order) => `strike ${order.id}`)).slice(0, count))
  return { struck: [...struck], spared: orders.filter((order) => !struck.has(order)) }
}

function onePerCustomer(orders: readonly Order[]): Order[] {
  return [...new Map(orders.map((order) => [order.customer, order])).values()]
}
