import { setTimeout as sleep } from 'node:timers/promises'
import { postgresJournal } from 'counterfoil/postgres'
import { inTransaction } from '../programs/transaction.js'
import type { Dice } from './dice.js'
import type { Progress } from './progress.js'
import { type Order, shopCounterfoil } from './shop.js'
import { LONGEST_WAIT_MS, SHORTEST_WAIT_MS } from './timing.js'
import type { World } from './world.js'

/** How many orders one transaction takes at most. */
const BATCH = 40

/** The share of batches that are put off. */
const PUT_OFF = 0.2

export interface LoadPlan {
  readonly customers: number
  /** How many orders at most. */
  readonly orders: number
  /** Orders that wait at most: enough that no worker idles, few enough that faults meet all of a run. */
  readonly backlog: number
  readonly dice: Dice
  readonly progress: Progress
  /** Aborts when no more orders are wanted. */
  readonly until: AbortSignal
}

/** What was asked of the shop. Orders that were rolled back must leave nothing. */
export interface Load {
  readonly orders: readonly Order[]
  readonly rolledBack: readonly string[]
  /** What was promised of the orders that were put off, by their id. */
  readonly notBefore: ReadonlyMap<string, NotBefore>
}

/** As `enqueue` takes it: a moment, or so many milliseconds after the enqueueing. */
export type NotBefore = Date | number

/**
 * Takes orders, in transactions of the shop's own that write the orders and enqueue their charges; some are rolled
 * back on purpose. A transaction whose end is not known is done again with the same orders: that is what keys are for.
 */
export async function takeOrders(world: World, plan: LoadPlan): Promise<Load> {
  const journal = postgresJournal(world.pool, { listen: false })
  const { host, port } = world.gateway
  const { counterfoil, chargeOrder } = shopCounterfoil({ host, port, client: 'shop' }, { journal })
  const orders: Order[] = []
  const rolledBack: string[] = []
  const places = new Map<string, number>()
  const promised = new Map<string, NotBefore>()

  while (orders.length < plan.orders && !plan.until.aborted) {
    const size = Math.min(BATCH, plan.backlog, plan.orders - orders.length)
    const batch = Array.from({ length: size }, (_, i) => nextOrder(plan, places, orders.length + i))
    if (plan.dice.chance(0.1)) {
      const ghosts = batch.slice(0, 3).map((order) => ({ ...order, id: `ghost-${order.id}` }))
      rolledBack.push(...ghosts.map((ghost) => ghost.id))
      await write(ghosts, null, new Error('The customer left.'))
    }
    // Once for all tries: of one whose end is not known, the moment may stand already.
    const notBefore = nextNotBefore(plan.dice)
    // In their order, and never two batches at once: the order of enqueueing is what serializeBy keeps.
    // Also when time is over: whether the first try was committed decides what there must be.
    while (!(await write(batch, notBefore, null))) await sleep(50)
    orders.push(...batch)
    if (notBefore !== null) for (const { id } of batch) promised.set(id, notBefore)
    await plan.progress.until(orders.length - plan.backlog, plan.until)
  }
  return { orders, rolledBack, notBefore: promised }

  async function write(
    batch: readonly Order[],
    notBefore: NotBefore | null,
    rollBackWith: Error | null,
  ): Promise<boolean> {
    try {
      await inTransaction(world.pool, async (tx) => {
        await tx.query(
          `insert into orders select * from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::boolean[])
           on conflict (id) do nothing`,
          [
            batch.map((order) => order.id),
            batch.map((order) => order.customer),
            batch.map((order) => order.place),
            batch.map((order) => order.card),
            batch.map((order) => order.tipped),
          ],
        )
        await counterfoil.enqueueMany(chargeOrder, batch, { tx, ...(notBefore === null ? {} : { notBefore }) })
        if (rollBackWith !== null) throw rollBackWith
      })
      return true
    } catch {
      return false
    }
  }
}

/** From when on the next batch may be charged; null: at once. This process has the machine's own clock. */
function nextNotBefore(dice: Dice): NotBefore | null {
  if (!dice.chance(PUT_OFF)) return null
  const waitMs = SHORTEST_WAIT_MS + dice.below(LONGEST_WAIT_MS - SHORTEST_WAIT_MS)
  return dice.chance(0.5) ? waitMs : new Date(Date.now() + waitMs)
}

function nextOrder({ customers, dice }: LoadPlan, places: Map<string, number>, number: number): Order {
  const customer = `customer-${dice.below(customers)}`
  const place = places.get(customer) ?? 0
  places.set(customer, place + 1)
  return {
    id: `order-${number}`,
    customer,
    place,
    cents: 100 + dice.below(9_900),
    card: dice.chance(0.03) ? 'pm_card_chargeDeclined' : 'pm_card_visa',
    tipped: dice.chance(0.25),
  }
}
