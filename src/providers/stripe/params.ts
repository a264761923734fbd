import type Stripe from 'stripe'
import { type Call, NotExecuted } from '../../protocol/index.js'
import { ENTRIES_LEFT, OUR_PREFIX, ourMetadata } from './metadata.js'

/** Parameters by which a user says how the customer takes part; with any of them, that is left to the user alone. */
const CUSTOMER_TAKES_PART = [
  'allowed_payment_method_types',
  'automatic_payment_methods',
  'confirmation_method',
  'confirmation_token',
  'error_on_requires_action',
  'excluded_payment_method_types',
  'off_session',
  'payment_method_types',
  'return_url',
  'use_stripe_sdk',
]

/**
 * What is sent to `POST /v1/payment_intents`: the user's parameters, with our reference in their metadata.
 *
 * `confirm` is true unless given: the call charges, in one step. If the parameters say nothing of how the customer takes
 * part, a payment that would need them fails (`error_on_requires_action`) and methods that redirect are left out
 * (`allow_redirects: 'never'`), since nobody is there to be redirected.
 *
 * @throws {NotExecuted} if the metadata clashes with ours or leaves no room for it: nothing is sent.
 */
export function createParams(params: Stripe.PaymentIntentCreateParams, call: Call): Stripe.PaymentIntentCreateParams {
  return { ...oneStepDefaults(params), ...params, confirm: confirms(params), metadata: metadataOf(params, call) }
}

/** Whether the call charges, rather than only prepare a payment that somebody confirms later. */
export function confirms(params: Stripe.PaymentIntentCreateParams): boolean {
  return params.confirm ?? true
}

function oneStepDefaults(params: Stripe.PaymentIntentCreateParams): Partial<Stripe.PaymentIntentCreateParams> {
  const said = CUSTOMER_TAKES_PART.some((name) => Reflect.get(params, name) !== undefined)
  if (said || !confirms(params)) return {}
  return { error_on_requires_action: true, automatic_payment_methods: { enabled: true, allow_redirects: 'never' } }
}

function metadataOf(params: Stripe.PaymentIntentCreateParams, call: Call): Stripe.MetadataParam {
  const given = params.metadata ?? {}
  const names = Object.keys(given)
  const clash = names.find((name) => name.startsWith(OUR_PREFIX))
  if (clash !== undefined) {
    throw new NotExecuted(
      'metadata_clash',
      `The metadata for Stripe has an entry ${clash}, but names that begin with ${OUR_PREFIX} are Counterfoil's own. ` +
        'Nothing was sent. Give the entry another name.',
    )
  }
  if (names.length > ENTRIES_LEFT) {
    throw new NotExecuted(
      'metadata_full',
      `The metadata for Stripe has ${names.length} entries. Stripe takes 50, of which Counterfoil needs 4. ` +
        `Nothing was sent. Give at most ${ENTRIES_LEFT}.`,
    )
  }
  return { ...given, ...ourMetadata(call) }
}
