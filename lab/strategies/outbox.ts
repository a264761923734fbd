import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type Stripe from 'stripe'
import { inTransaction } from '../../programs/transaction.js'
import { charge, type Order, record, statusOf } from '../application.js'
import type { Handler, Services, Strategy } from '../strategy.js'
import { LOCK_TTL_MS, PREFETCH, REDELIVERY_FIRST_MS } from '../timing.js'

const POLL_MS = 50

/**
 * The handler only commits the intent, once per order; a relay makes the call after that commit, and again until it
 * has seen an answer.
 *
 * No intent is lost, and no call stands inside a transaction. But the relay calls *at least* once: after a lost answer,
 * a lost relay or a claim that has run out, it calls again.
 */
export const outbox: Strategy = {
  name: 'outbox',
  gateway: 'none',
  idea: 'commits the intent; a relay claims it, charges, and repeats until it has seen an answer',
  schema: `create table outbox (
    order_id text primary key references orders (id),
    claimed_until timestamptz not null default '-infinity',
    sent_at timestamptz
  )`,
  start: startOutbox,
}

/** The handler and the relay of one process. */
export async function startOutbox({ pool, stripe }: Services): Promise<Handler> {
  const stopping = new AbortController()
  const relay = runRelay(pool, stripe, stopping.signal)
  return {
    handle: ({ order }) =>
      inTransaction(pool, async (tx) => {
        if ((await statusOf(tx, order)) !== 'open') return
        await tx.query('insert into outbox (order_id) values ($1) on conflict do nothing', [order.id])
      }),
    async stop() {
      stopping.abort()
      await relay
    },
  }
}

async function runRelay(pool: pg.Pool, stripe: Stripe, stopping: AbortSignal): Promise<void> {
  const underWay = new Set<Promise<void>>()
  while (!stopping.aborted) {
    // A database that is down is asked again at the next look.
    const orders = await claim(pool, PREFETCH - underWay.size).catch(() => [])
    for (const order of orders) {
      const call = send(pool, stripe, order).finally(() => underWay.delete(call))
      underWay.add(call)
    }
    if (orders.length === 0 || underWay.size === PREFETCH) await untilNextLook(underWay, stopping)
  }
  await Promise.all(underWay)
}

/** Waits for a free place if all are taken, else for the next look into the table. */
async function untilNextLook(underWay: ReadonlySet<Promise<void>>, stopping: AbortSignal): Promise<void> {
  if (underWay.size === PREFETCH) await Promise.race(underWay)
  else await sleep(POLL_MS, undefined, { signal: stopping }).catch(() => undefined)
}

/** Takes intents for as long as a call may last; a claim that has run out may be taken by any relay. */
async function claim(pool: pg.Pool, limit: number): Promise<Order[]> {
  const { rows } = await pool.query<Order>(
    `with mine as (
       select order_id from outbox where sent_at is null and claimed_until < now()
       limit $1 for update skip locked
     ), claimed as (
       update outbox set claimed_until = now() + $2 * interval '1 millisecond'
       from mine where outbox.order_id = mine.order_id returning outbox.order_id
     )
     select id, customer, cents, card from orders join claimed on id = order_id`,
    [limit, LOCK_TTL_MS],
  )
  return rows
}

async function send(pool: pg.Pool, stripe: Stripe, order: Order): Promise<void> {
  try {
    const payment = await charge(stripe, order)
    await inTransaction(pool, async (tx) => {
      await record(tx, order, payment)
      await tx.query('update outbox set sent_at = now() where order_id = $1', [order.id])
    })
  } catch {
    // Nobody knows what came of it; the intent stands and is taken up again soon. If even that cannot be written, the
    // claim runs out by itself.
    await pool
      .query(`update outbox set claimed_until = now() + $2 * interval '1 millisecond' where order_id = $1`, [
        order.id,
        REDELIVERY_FIRST_MS,
      ])
      .catch(() => undefined)
  }
}
