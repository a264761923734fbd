import Stripe from 'stripe'

/** The application that all strategies share: a shop that must take the money for an order once. */
export interface Order {
  readonly id: string
  readonly customer: string
  readonly cents: number
  /** A test card of the gateway. */
  readonly card: string
}

/** What the broker delivers: somebody asks for the order to be paid. */
export interface Message {
  readonly id: string
  readonly order: Order
}

/** What the shop believes of an order. `open`: not paid. `in_doubt` and `parked`: it knows that it does not know. */
export type OrderStatus = 'open' | 'paid' | 'failed' | 'in_doubt' | 'parked'

/** How one call to the gateway ended, where it ended with an answer. */
export type Payment =
  | { readonly status: 'paid'; readonly chargeId: string }
  | { readonly status: 'failed'; readonly reason: string }

/** A pool, a connection or a transaction: whatever runs a query. */
export interface Queryable {
  query<Row extends object>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
}

/** `settled_at` is set by the database, so that no strategy reports its own speed. */
export const APPLICATION_SCHEMA = `
  create table orders (
    id text primary key,
    customer text not null,
    cents integer not null,
    card text not null,
    status text not null default 'open' check (status in ('open', 'paid', 'failed', 'in_doubt', 'parked')),
    charge_id text,
    failure text,
    accepted_at timestamptz,
    settled_at timestamptz
  );
  create function note_settlement() returns trigger language plpgsql as $$
  begin
    if new.status not in ('open', 'in_doubt') and old.settled_at is null then
      new.settled_at := clock_timestamp();
    end if;
    return new;
  end $$;
  create trigger orders_settled before update on orders for each row execute function note_settlement();
`

/** The order's status as the shop has it. */
export async function statusOf(db: Queryable, order: Order): Promise<OrderStatus> {
  const { rows } = await db.query<{ status: OrderStatus }>('select status from orders where id = $1', [order.id])
  const row = rows[0]
  if (row === undefined) throw new Error(`There is no order ${order.id}.`)
  return row.status
}

/** The shop accepts the order; it will see to the payment. */
export async function accept(db: Queryable, order: Order): Promise<void> {
  await db.query('update orders set accepted_at = coalesce(accepted_at, now()) where id = $1', [order.id])
}

/** What is asked of the gateway. `order_id` in the metadata is how anyone can tell later what a payment was for. */
export function paymentFor(order: Order): Stripe.PaymentIntentCreateParams {
  return {
    amount: order.cents,
    currency: 'eur',
    payment_method: order.card,
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    metadata: { order_id: order.id },
  }
}

/**
 * Takes the money. A decline is an answer; every other failure is thrown, and the broker will deliver the message
 * again.
 */
export async function charge(stripe: Stripe, order: Order, options: Stripe.RequestOptions = {}): Promise<Payment> {
  try {
    return paid(await stripe.paymentIntents.create(paymentFor(order), options))
  } catch (error) {
    if (error instanceof Stripe.errors.StripeCardError) return { status: 'failed', reason: error.message }
    throw error
  }
}

/** What a succeeded payment intent means to the shop. */
export function paid(intent: Stripe.PaymentIntent): Payment {
  if (intent.status !== 'succeeded') throw new Error(`The payment intent ${intent.id} is ${intent.status}.`)
  const { latest_charge: latest } = intent
  return { status: 'paid', chargeId: typeof latest === 'string' ? latest : (latest?.id ?? intent.id) }
}

/** Writes down in the shop's table what came of the payment. */
export async function record(db: Queryable, order: Order, payment: Payment): Promise<void> {
  if (payment.status === 'paid') {
    await db.query(`update orders set status = 'paid', charge_id = $2 where id = $1`, [order.id, payment.chargeId])
  } else {
    await db.query(`update orders set status = 'failed', failure = $2 where id = $1`, [order.id, payment.reason])
  }
}
