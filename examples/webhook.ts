import { hintOfEvent } from 'counterfoil/stripe'
import Stripe from 'stripe'
import { chargeOrder, counterfoil } from './inbox/shop.js'

const secret = process.env.STRIPE_WEBHOOK_SECRET ?? 'whsec_none'

/** `body`: the very bytes that came in, since the signature is over them. Where this throws, answer with an error. */
export async function onStripeEvent(body: Buffer, signature: string): Promise<void> {
  const event = Stripe.webhooks.constructEvent(body, signature, secret)
  const hint = hintOfEvent(event)
  if (hint === null) return
  const { settled, state } = await counterfoil.settleByHint(chargeOrder, hint)
  // Nobody looks at a parked one again by himself, and the service could not be asked just now, or showed nothing yet.
  if (!settled && state === 'parked') throw new Error(`${hint.key} is still parked: deliver the event again.`)
}
