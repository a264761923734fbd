import type Stripe from 'stripe'
import type { Provider, RateLimit } from '../../protocol/index.js'
import { ConfigurationError, NotExecuted, OutcomeUnknown, Rejected, toMs } from '../../protocol/index.js'
import { undoing } from './cancel.js'
import { answerTo, classifyStripeError } from './classify.js'
import { SingleSendStripe, type StripeSource } from './client.js'
import { STRIPE_FACTS, type StripeFacts } from './facts.js'
import { findPaymentIntent } from './find.js'
import { listOperations } from './list.js'
import { confirms, createParams } from './params.js'
import { type PaymentIntentReceipt, receiptOf } from './receipt.js'

export interface StripePaymentIntentsOptions {
  /** Shown to people, and shared by the effects that share this account's limits. Default `stripe`. */
  readonly service?: string
  /**
   * How often one process may call this account, over all effects that share `service`: dispatchers keep to it, and
   * `perform` is counted. Stripe's own limits are `STRIPE_RATE_LIMITS`; divide them by the number of your processes, and
   * leave room for what else of yours calls the account. Default: none, since only you know these.
   */
  readonly rateLimit?: RateLimit
  /**
   * Other facts than Stripe's own, for a stand-in of Stripe in tests. Do not touch them for Stripe itself: they decide
   * when a call may be repeated.
   */
  readonly facts?: Partial<StripeFacts>
}

/**
 * Stripe payments: each effect is one payment intent, made and confirmed in one call. Its idempotency key is the
 * effect's reference, and its metadata say whose it is.
 *
 * `stripe` is your client. It is left as it is: what is sent goes through a client of the same configuration (key,
 * account, host, agent) that sends each request once, since the SDK's own may send again on its own account. Where none
 * can be derived, pass a function that makes one: `(config) => new Stripe(key, { ...config })`.
 *
 * `toParams` gives the parameters of `POST /v1/payment_intents`; all of Stripe's are allowed. It must give the same for
 * the same input, always: Stripe compares them, and refuses a key that comes with others. `confirm` is true by default.
 *
 * The facts (key window, lag, which error proves what) are in docs/providers/stripe.md, with their sources.
 *
 * @throws {ConfigurationError} if the client is none that surely sends once, or a fact makes no sense.
 */
export function stripePaymentIntents<Input>(
  stripe: StripeSource,
  toParams: (input: Input) => Stripe.PaymentIntentCreateParams,
  options: StripePaymentIntentsOptions = {},
): Provider<Input, PaymentIntentReceipt> {
  const facts = checked({ ...STRIPE_FACTS, ...options.facts })
  const paramsOf = (input: Input): Stripe.PaymentIntentCreateParams => paramsBy(toParams, input)
  const sender = new SingleSendStripe(stripe)
  return {
    service: options.service ?? 'stripe',
    ...(options.rateLimit === undefined ? {} : { rateLimit: options.rateLimit }),
    settlesWithin: facts.settlesWithin,
    ...(facts.idempotencyKey === null ? {} : { idempotencyKey: facts.idempotencyKey }),

    async execute(input, call) {
      const params = createParams(paramsOf(input), call)
      try {
        const intent = await sender.send(call, (client, sendOnce) =>
          client.paymentIntents.create(params, { ...sendOnce, idempotencyKey: call.reference }),
        )
        return receiptOf(intent, confirms(params))
      } catch (error) {
        throw answerTo(error)
      }
    },

    async find(input, call) {
      const charges = confirms(paramsOf(input))
      const intent = await findPaymentIntent(sender, call, facts).catch((error: unknown) => {
        throw couldNotAsk(error)
      })
      return intent === null ? null : receiptOf(intent, charges)
    },

    classify: classifyStripeError,
    externalId: (receipt) => receipt.id,
    cancel: undoing(sender, facts),
    amount(_receipt, input) {
      const { amount, currency } = paramsOf(input)
      return { minorUnits: amount, currency }
    },
    list: (window) => listOperations(sender, window),
  }
}

/** A refused question (a missing right, say) is no refusal of the payment. */
function couldNotAsk(error: unknown): unknown {
  const answer = answerTo(error)
  if (!(answer instanceof Rejected)) return answer
  return new OutcomeUnknown(answer.reason.code, `Stripe could not be asked: ${answer.message}`, {
    cause: error,
    serviceWell: true,
  })
}

/** A bug in the user's function is no doubt about the payment: nothing was sent, and a mended one may try again. */
function paramsBy<Input>(
  toParams: (input: Input) => Stripe.PaymentIntentCreateParams,
  input: Input,
): Stripe.PaymentIntentCreateParams {
  try {
    return toParams(input)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new NotExecuted(
      'params_failed',
      `The parameters for Stripe could not be made, so nothing was sent: ${message}`,
      {
        cause,
      },
    )
  }
}

function checked(facts: StripeFacts): StripeFacts {
  toMs(facts.clockSkew, 'facts.clockSkew')
  if (toMs(facts.settlesWithin, 'facts.settlesWithin') === 0) {
    throw new ConfigurationError(
      'facts.settlesWithin is 0, but a request that lost its connection may go on for a while: give the time that it can take.',
    )
  }
  return facts
}
