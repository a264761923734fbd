import type pg from 'pg'
import type Stripe from 'stripe'
import type { Services, Strategy } from '../strategy.js'
import { outbox, startOutbox } from './outbox.js'

/**
 * The outbox, and at night an audit: it reads the gateway's own list, and refunds all but one charge of every order.
 *
 * It ends right, but it does not charge once: until the audit has run, the customer's money is gone twice, and every
 * repair is another call that can be lost.
 */
export const outboxAudit: Strategy = {
  name: 'outbox-audit',
  gateway: 'none',
  idea: "is the outbox, with a nightly audit of the gateway's list that refunds duplicates",
  ...(outbox.schema === undefined ? {} : { schema: outbox.schema }),
  start: startOutbox,
  audit,
}

async function audit({ pool, stripe }: Services): Promise<void> {
  const chargesByOrder = await liveChargesByOrder(stripe)
  const recorded = await recordedCharges(pool)
  for (const [orderId, charges] of chargesByOrder) {
    const kept = charges.find((charge) => charge.id === recorded.get(orderId)) ?? charges[0]
    for (const charge of charges) {
      if (charge !== kept) await stripe.refunds.create({ charge: charge.id, reason: 'duplicate' })
    }
  }
}

async function liveChargesByOrder(stripe: Stripe): Promise<Map<string, Stripe.Charge[]>> {
  const byOrder = new Map<string, Stripe.Charge[]>()
  for await (const charge of stripe.charges.list({ limit: 100 })) {
    const orderId = charge.metadata.order_id
    if (orderId === undefined || charge.status !== 'succeeded' || charge.refunded) continue
    const charges = byOrder.get(orderId)
    if (charges === undefined) byOrder.set(orderId, [charge])
    else charges.push(charge)
  }
  return byOrder
}

async function recordedCharges(pool: pg.Pool): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ id: string; charge_id: string }>(
    'select id, charge_id from orders where charge_id is not null',
  )
  return new Map(rows.map((row) => [row.id, row.charge_id]))
}
