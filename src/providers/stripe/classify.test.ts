import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import { classifyStripeError, stripePaymentIntents } from './index.js'
import { callFor, errorOf, order, serverThat, stripeFor, toParams } from './stripe.fixture.js'

interface Answer {
  readonly status: number
  readonly error?: Record<string, unknown>
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** What `execute` throws when the service answers so, over real HTTP and through the real SDK. */
async function outcomeOf(answer: Answer): Promise<unknown> {
  const server = await serverThat((_request, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json', 'request-id': 'req_1', ...answer.headers })
    response.end(answer.body ?? JSON.stringify({ error: { message: 'No.', ...answer.error } }))
  })
  try {
    return await errorOf(stripePaymentIntents(stripeFor(server), toParams).execute(order('o1'), callFor('o1')))
  } finally {
    await server.close()
  }
}

const REPLAYED = { 'idempotent-replayed': 'true' }
const INVALID = 'invalid_request_error'

const rejected = (code: string, settlesDoubt: boolean) => ({ name: 'Rejected', settlesDoubt, reason: { code } })
const notExecuted = (code: string, more: { retryAfterMs?: number; notNow?: boolean } = {}) => ({
  ...{ name: 'NotExecuted', retryAfterMs: null, notNow: false, reason: { code } },
  ...more,
})
const unknown = (code: string, keySpent: boolean, more: { retryAfterMs?: number; serviceWell?: boolean } = {}) => ({
  ...{ name: 'OutcomeUnknown', keySpent, retryAfterMs: null, serviceWell: false, reason: { code } },
  ...more,
})

const table: readonly (readonly [what: string, Answer, expected: object])[] = [
  [
    'a parameter is invalid: final, of this call',
    { status: 400, error: { type: INVALID, code: 'parameter_missing', param: 'currency' } },
    rejected('parameter_missing', false),
  ],
  [
    'a refusal that is stored under our key: final, of every call',
    { status: 400, error: { type: INVALID, code: 'resource_missing' }, headers: REPLAYED },
    rejected('resource_missing', true),
  ],
  [
    'something does not exist',
    { status: 404, error: { type: INVALID, code: 'resource_missing' } },
    rejected('resource_missing', false),
  ],
  ['the API key is wrong: an operator mends it', { status: 401, error: { type: INVALID } }, notExecuted(INVALID)],
  [
    'the API key may not do this: an operator mends it',
    { status: 403, error: { type: INVALID } },
    notExecuted(INVALID),
  ],
  [
    'the card is declined: final, of every call under the key',
    { status: 402, error: { type: 'card_error', code: 'card_declined', payment_intent: { id: 'pi_1' } } },
    rejected('card_declined', true),
  ],
  [
    'the card is refused before anything was made: final, of this call',
    { status: 402, error: { type: 'card_error', code: 'incorrect_number' } },
    rejected('incorrect_number', false),
  ],
  [
    'our key was used with other parameters: the original exists',
    { status: 400, error: { type: 'idempotency_error' } },
    unknown('idempotency_error', true, { serviceWell: true }),
  ],
  [
    'another request with our key is under way',
    {
      status: 409,
      error: { type: INVALID, code: 'idempotency_key_in_use' },
      headers: { 'stripe-should-retry': 'true' },
    },
    unknown('idempotency_key_in_use', false, { serviceWell: true }),
  ],
  [
    'the rate is limited',
    { status: 429, error: { type: INVALID, code: 'rate_limit' }, headers: { 'retry-after': '2' } },
    notExecuted('rate_limit', { retryAfterMs: 2000, notNow: true }),
  ],
  [
    'the rate is limited, in the old form',
    { status: 400, error: { type: INVALID, code: 'rate_limit' } },
    notExecuted('rate_limit', { notNow: true }),
  ],
  [
    'the rate is limited, until something that is no number of seconds',
    { status: 429, error: { type: INVALID, code: 'rate_limit' }, headers: { 'retry-after': 'soon' } },
    notExecuted('rate_limit', { notNow: true }),
  ],
  [
    'an object is locked: it may have begun',
    { status: 429, error: { type: INVALID, code: 'lock_timeout' } },
    unknown('lock_timeout', false, { serviceWell: true }),
  ],
  ['the service fails', { status: 500, error: { type: 'api_error' } }, unknown('api_error', false)],
  [
    'the service repeats a stored failure: the key is spent',
    { status: 500, error: { type: 'api_error' }, headers: REPLAYED },
    unknown('api_error', true, { serviceWell: true }),
  ],
  ['the service is away', { status: 503, error: { type: 'api_error' } }, unknown('api_error', false)],
  [
    'the service is away, and says for how long',
    { status: 503, error: { type: 'api_error' }, headers: { 'retry-after': '30' } },
    unknown('api_error', false, { retryAfterMs: 30_000 }),
  ],
  [
    'a status that Stripe does not document',
    { status: 418, error: { type: 'api_error' } },
    unknown('api_error', false),
  ],
  [
    'a page of HTML instead of JSON',
    { status: 502, body: '<html>Bad gateway</html>' },
    unknown('StripeAPIError', false),
  ],
  ['a success that is no JSON', { status: 200, body: 'OK' }, unknown('StripeAPIError', false)],
]

describe('what the service answers, and what it proves', () => {
  it.each(table)('%s', async (_what, answer, expected) => {
    expect(await outcomeOf(answer)).toMatchObject(expected)
  })

  it('a payment that came to nothing though the answer is 200 is no receipt', async () => {
    const intent = { id: 'pi_1', object: 'payment_intent', last_payment_error: null }
    const answer = (status: string) => ({ status: 200, body: JSON.stringify({ ...intent, status }) })
    expect(await outcomeOf(answer('canceled'))).toMatchObject(rejected('payment_intent_canceled', true))
    expect(await outcomeOf(answer('requires_confirmation'))).toMatchObject(
      unknown('payment_intent_unfinished', false, { serviceWell: true }),
    )
    expect(await outcomeOf(answer('a_status_of_tomorrow'))).toMatchObject(
      unknown('payment_intent_unfinished', false, { serviceWell: true }),
    )
  })

  it('what a person needs to find it at Stripe is kept', async () => {
    const error = {
      type: 'card_error',
      code: 'card_declined',
      decline_code: 'lost_card',
      charge: 'ch_1',
      payment_intent: { id: 'pi_1' },
    }
    expect(await outcomeOf({ status: 402, error })).toMatchObject({
      reason: {
        detail: { request_id: 'req_1', status: 402, decline_code: 'lost_card', charge: 'ch_1', payment_intent: 'pi_1' },
      },
    })
  })
})

describe('classifyStripeError, for errors that somebody else caught', () => {
  it('knows every class of the API by its fields, not by its text', () => {
    const { errors } = Stripe
    const kinds = [
      new errors.StripeCardError({ type: 'card_error', statusCode: 402, message: '' }),
      new errors.StripeInvalidRequestError({ type: 'invalid_request_error', statusCode: 400, message: '' }),
      new errors.StripeAuthenticationError({ type: 'invalid_request_error', statusCode: 401, message: '' }),
      new errors.StripePermissionError({ type: 'invalid_request_error', statusCode: 403, message: '' }),
      new errors.StripeRateLimitError({ type: 'invalid_request_error', statusCode: 429, message: '' }),
      new errors.StripeIdempotencyError({ type: 'idempotency_error', statusCode: 400, message: '' }),
      new errors.StripeAPIError({ type: 'api_error', statusCode: 500, message: '' }),
      new errors.StripeConnectionError({ message: '' }),
    ].map((error) => classifyStripeError(error)?.kind)
    expect(kinds).toEqual([
      'rejected',
      'rejected',
      'not_executed',
      'not_executed',
      'not_executed',
      'unknown',
      'unknown',
      'unknown',
    ])
  })

  it.each([
    ['ECONNREFUSED', 'connect', 'not_executed'],
    ['ENOTFOUND', 'getaddrinfo', 'not_executed'],
    ['ECONNRESET', 'connect', 'not_executed'],
    ['ETIMEDOUT', 'connect', 'not_executed'],
    ['ETIMEDOUT', undefined, 'unknown'],
    ['ECONNRESET', 'read', 'unknown'],
    ['EPIPE', 'write', 'unknown'],
  ])('a connection error with %s in %s is %s', (code, syscall, kind) => {
    const detail = Object.assign(new Error('socket'), { code, syscall })
    const error = new Stripe.errors.StripeConnectionError({ message: 'No.', detail } as never)
    expect(classifyStripeError(error)).toMatchObject({ kind, reason: { code } })
  })

  it('says nothing of an error that is not of the SDK', () => {
    expect(classifyStripeError(new TypeError('a bug'))).toBeUndefined()
    expect(classifyStripeError(undefined)).toBeUndefined()
  })
})
