import { randomUUID } from 'node:crypto'
import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../engine/index.js'
import { type Duration, NotExecuted, OutcomeUnknown, type Provider, Rejected } from '../../protocol/index.js'
import type { GatewayOptions } from '../gateway/index.js'
import { type CheckName, gatewayService, type ServiceAddress, verifyEffect } from './index.js'
import {
  byKey,
  chargeWith,
  exchange,
  findPayment,
  form,
  input,
  type Order,
  pay,
  type Receipt,
  receiptOf,
  searchPath,
} from './integrations.fixture.js'

type Factory = (at: ServiceAddress) => Effect<Order, unknown>
type Execute<R = Receipt> = (at: ServiceAddress) => Provider<Order, R>['execute']

/** An integration that declares a key, or a look-up, and is wrong in its `execute`. */
const keyed = <R>(execute: Execute<R>): Factory =>
  chargeWith((at) => ({ execute: execute(at), idempotencyKey: { window: '24h' } }))
const searched = (execute: Execute): Factory =>
  chargeWith((at) => ({ execute: execute(at), find: (_order, call) => findPayment(at, call), settlesWithin: '30s' }))
/** An integration that is wrong in its `find`. */
const finding = (find: (at: ServiceAddress) => NonNullable<Provider<Order, Receipt>['find']>): Factory =>
  chargeWith((at) => ({ execute: (order, call) => pay(at, order, call), find: find(at), settlesWithin: '30s' }))

const lagging = (settlesWithin: Duration): Factory =>
  chargeWith((at) => ({
    execute: (order, call) => pay(at, order, call),
    find: (_order, call) => findPayment(at, call),
    settlesWithin,
  }))

const send = (at: ServiceAddress, order: Order, init: RequestInit) =>
  exchange(at, '/v1/payment_intents', { method: 'POST', body: form(order), ...init })

interface Wrong {
  readonly name: string
  readonly effect: Factory
  readonly gateway: GatewayOptions
  readonly broken: CheckName
  readonly words: RegExp
  readonly advice: RegExp
  /** What else is broken by it, as its consequence. */
  readonly also?: readonly CheckName[]
}

let keys = 0

const WRONG: readonly Wrong[] = [
  {
    name: 'a key of its own for every call',
    effect: keyed(
      (at) => async (order, call) =>
        receiptOf(await send(at, order, { headers: { 'idempotency-key': randomUUID() }, signal: call.signal })),
    ),
    gateway: { level: 'keys' },
    broken: 'sends_reference',
    words: /does not send `call\.reference` as the key: the header idempotency-key is another/,
    advice: /Send `call\.reference` as the idempotency key/,
  },
  {
    name: 'a reference that is not stored',
    effect: searched((at) => async (order, call) => receiptOf(await send(at, order, { signal: call.signal }))),
    gateway: { level: 'lookup' },
    broken: 'sends_reference',
    words: /Your `execute` does not send `call\.reference`/,
    advice: /Store `call\.reference` at the service/,
  },
  {
    name: 'an SDK that retries by itself',
    effect: keyed(({ host, port }) => async (order, call) => {
      const stripe = new Stripe('sk_test_shop', { host, port, protocol: 'http', maxNetworkRetries: 2 })
      const { id, status } = await stripe.paymentIntents.create(
        Object.fromEntries(form(order)) as unknown as Stripe.PaymentIntentCreateParams,
        { idempotencyKey: call.reference },
      )
      return { id, status }
    }),
    gateway: { level: 'keys' },
    broken: 'one_request_per_attempt',
    words: /Your SDK sent the request (twice|\d+ times) in one attempt/,
    advice: /Turn its retries off/,
  },
  {
    name: 'two requests that each make something',
    effect: keyed((at) => async (order, call) => {
      await exchange(at, '/v1/customers', { method: 'POST', signal: call.signal })
      return pay(at, order, call)
    }),
    gateway: { level: 'keys' },
    broken: 'one_request_per_attempt',
    words: /sent 2 different requests in one attempt: POST \/v1\/customers, POST \/v1\/payment_intents/,
    advice: /`isEffect`/,
  },
  {
    name: 'a retry that ignores the deadline',
    effect: searched((at) => async (order, call) => {
      const body = form(order, { 'metadata[reference]': call.reference })
      try {
        return receiptOf(await send(at, order, { body }))
      } catch (error) {
        if (error instanceof Error && 'reason' in error) throw error
        return receiptOf(await send(at, order, { body }))
      }
    }),
    gateway: { level: 'lookup' },
    broken: 'stops_at_deadline',
    words: /went on sending after the deadline: 1 more request/,
    advice: /turn off its retries/,
    also: ['late_commit', 'one_request_per_attempt', 'response_lost'],
  },
  {
    name: 'a call that nothing ends',
    effect: keyed((at) => (order, call) => pay(at, order, { ...call, signal: new AbortController().signal })),
    gateway: { level: 'keys' },
    broken: 'stops_at_deadline',
    words: /still waited 400 ms after `call\.signal` had aborted/,
    advice: /Pass `call\.signal`/,
  },
  {
    name: 'a race that leaves the request running',
    effect: keyed((at) => (order, call) => {
      const over = new Promise<never>((_, reject) => {
        call.signal.addEventListener('abort', () => reject(new Error('The time is over.')))
      })
      return Promise.race([pay(at, order, { ...call, signal: new AbortController().signal }), over])
    }),
    gateway: { level: 'keys' },
    broken: 'stops_at_deadline',
    words: /sent the request though `call\.signal` had aborted before/,
    advice: /throw `NotExecuted` if `call\.remainingMs\(\)` is 0/,
  },
  {
    name: 'a service that honours no key',
    effect: chargeWith(byKey),
    gateway: { level: 'lookup' },
    broken: 'honours_key',
    words: /A replay under the same key gave another result: this service does not honour the key as declared/,
    advice: /Do not declare `idempotencyKey`/,
    also: ['response_lost', 'response_truncated', 'error_after_effect', 'late_commit', 'worker_lost_after_send'],
  },
  {
    name: 'a request that is another each time',
    effect: keyed((at) => async (order, call) => {
      const body = form(order, { description: `try ${randomUUID()}` })
      return receiptOf(
        await send(at, order, { body, headers: { 'idempotency-key': call.reference }, signal: call.signal }),
      )
    }),
    gateway: { level: 'keys' },
    broken: 'same_request_again',
    words: /differs from the first in the field description/,
    advice: /of the input and `call\.reference` alone/,
  },
  {
    name: 'a find that forgets to return null',
    effect: finding((at) => async (_order, call) => ((await findPayment(at, call)) ?? undefined) as Receipt | null),
    gateway: { level: 'lookup' },
    broken: 'find_proves_absence',
    words: /Your `find` returns undefined, not null/,
    advice: /`return found \?\? null`/,
  },
  {
    name: 'a find that throws for an absence',
    effect: finding((at) => async (_order, call) => {
      const found = await findPayment(at, call)
      if (found === null) throw new Error('404 no such payment')
      return found
    }),
    gateway: { level: 'lookup' },
    broken: 'find_proves_absence',
    words: /Your `find` throws when there is nothing: absence is never proven\. It threw: 404 no such payment/,
    advice: /Return null/,
  },
  {
    name: 'a find that takes an error for an absence',
    effect: finding((at) => async (_order, call) => {
      const { body } = await exchange(at, searchPath(call), { signal: call.signal })
      const found = body.data?.[0]
      return found === undefined ? null : { id: found.id, status: found.status }
    }),
    gateway: { level: 'lookup' },
    broken: 'find_tells_failure',
    words: /takes a failed look-up \(a 500\) for an absence/,
    advice: /Throw whenever the service did not answer/,
  },
  {
    name: 'a find that swallows a cut connection',
    effect: finding(
      (at) => (_order, call) =>
        findPayment(at, call).catch((error: unknown) => {
          if (error instanceof OutcomeUnknown) throw error
          return null
        }),
    ),
    gateway: { level: 'lookup' },
    broken: 'find_tells_failure',
    words: /takes a failed look-up \(a cut connection\) for an absence/,
    advice: /Throw whenever the service did not answer/,
  },
  {
    name: 'a find that gives whatever was made last',
    effect: finding((at) => async (_order, call) => {
      const { body } = await exchange(at, '/v1/payment_intents?limit=1', { signal: call.signal })
      if (body.data === undefined) throw new OutcomeUnknown('failed', 'It could not be asked.')
      const [last] = body.data
      return last === undefined ? null : { id: last.id, status: last.status }
    }),
    gateway: { level: 'lookup' },
    broken: 'find_proves_absence',
    words: /returns something though nothing was made/,
    advice: /only the operation that has `call\.reference`/,
    also: ['worker_lost_before_send'],
  },
  {
    name: 'a find that gives another id than execute',
    effect: finding((at) => async (_order, call) => {
      const { status, body } = await exchange(at, searchPath(call), { signal: call.signal })
      if (status !== 200) throw new OutcomeUnknown('failed', 'It could not be asked.')
      const found = body.data?.[0]
      return found === undefined ? null : { id: found.latest_charge ?? '', status: found.status }
    }),
    gateway: { level: 'lookup' },
    broken: 'find_sees',
    words: /gives the external id ch_\w+, and `execute` gave pi_\w+/,
    advice: /a receipt like that of `execute`/,
  },
  {
    name: 'a look-up that lags for longer than is declared',
    effect: lagging('200ms'),
    gateway: { level: 'lookup', searchLagMs: 800 },
    broken: 'settles_within',
    words:
      /Your `find` returns null for (\d{3} ms|[1-3](\.\d)? s) after the call: set `settlesWithin` above it \(it is 200 ms\)/,
    advice: /longest lag/,
  },
  {
    name: 'a receipt without an id',
    effect: keyed((at) => async (order, call) => ({ payment: (await pay(at, order, call)).id })),
    gateway: { level: 'keys' },
    broken: 'external_id',
    words: /externalId is missing/,
    advice: /Give `externalId/,
  },
  {
    name: 'a receipt that JSON cannot carry',
    effect: keyed((at) => async (order, call) => ({ ...(await pay(at, order, call)), paidAt: new Date() })),
    gateway: { level: 'keys' },
    broken: 'receipt_is_json',
    words: /Your receipt does not survive JSON.*receipt\.paidAt is an instance of Date/,
    advice: /plain object/,
  },
  {
    name: 'an error that is taken for a success',
    effect: keyed((at) => async (order, call) => {
      const { body } = await send(at, order, { headers: { 'idempotency-key': call.reference }, signal: call.signal })
      return { id: body.id ?? 'none', status: 'paid' }
    }),
    gateway: { level: 'keys' },
    broken: 'error_before_effect',
    words: /your `execute` returned a receipt, but the service has made nothing/,
    advice: /Look at the status/,
  },
  {
    name: 'a lost response that is taken for a rejection',
    effect: keyed(
      (at) => (order, call) =>
        pay(at, order, call).catch((error: unknown) => {
          throw new Rejected('failed', String(error))
        }),
    ),
    gateway: { level: 'keys' },
    broken: 'response_lost',
    words: /said that it was rejected, but the service has made it/,
    advice: /`OutcomeUnknown`/,
    also: ['response_truncated'],
  },
  {
    name: 'a lost response that is taken for harmless',
    effect: searched(
      (at) => (order, call) =>
        pay(at, order, call).catch((error: unknown) => {
          throw new NotExecuted('failed', String(error))
        }),
    ),
    gateway: { level: 'lookup' },
    broken: 'response_lost',
    words: /it was made \d+ times for one key/,
    advice: /said that nothing had happened \(not_executed\), though it had/,
  },
  {
    name: 'a failure that is reported as done',
    effect: keyed((at) => (order, call) => pay(at, order, call).catch(() => ({ id: 'queued', status: 'queued' }))),
    gateway: { level: 'keys' },
    broken: 'connection_refused',
    words:
      /The connection was refused before the send: your `execute` returned a receipt, but the service has made nothing/,
    advice: /Look at the status/,
  },
  {
    name: 'a 500 that is taken for harmless',
    effect: searched(
      (at) => (order, call) =>
        pay(at, order, call).catch((error: unknown) => {
          throw error instanceof OutcomeUnknown ? new NotExecuted('failed', error.message) : error
        }),
    ),
    gateway: { level: 'lookup' },
    broken: 'error_after_effect',
    words: /A 500 came, though the service had acted: it was made \d+ times for one key/,
    advice: /said that nothing had happened/,
  },
  {
    name: 'a find that never sees anything',
    effect: chargeWith((at) => ({
      execute: (order, call) => pay(at, order, call),
      find: async () => null,
      settlesWithin: '30s',
      idempotencyKey: { window: '24h' },
    })),
    gateway: { level: 'keys' },
    broken: 'find_sees',
    words: /Your `find` returned null for .* after the call/,
    advice: /Look by `call\.reference`/,
    also: ['key_expired'],
  },
  {
    name: 'a look-up that is said never to lag',
    effect: lagging(0),
    gateway: { level: 'lookup' },
    broken: 'settles_within',
    words: /`settlesWithin` is 0/,
    advice: /what the network may still deliver/,
  },
  {
    name: 'a redirect that is followed',
    effect: keyed((at) => async (order, call) => {
      const headers = { 'idempotency-key': call.reference }
      return receiptOf(await send(at, order, { headers, signal: call.signal, redirect: 'follow' }))
    }),
    gateway: { level: 'keys' },
    broken: 'follows_no_redirect',
    words: /followed a redirect/,
    advice: /redirect: 'error'/,
  },
  {
    name: 'a business key that is another each time',
    effect: chargeWith(byKey, (order) => `${order.id}#${keys++}`),
    gateway: { level: 'keys' },
    broken: 'key_is_stable',
    words: /Your `key` gave "[^"]+" and then "[^"]+" for one input: every duplicate would be made again/,
    advice: /from the input alone/,
  },
  {
    name: 'an SDK that was not pointed at the proxy',
    effect: chargeWith(() => byKey({ url: 'http://127.0.0.1:1', host: '127.0.0.1', port: 1 })),
    gateway: { level: 'keys' },
    broken: 'succeeds',
    words: /sent nothing to the address that `effect` was given/,
    advice: /point it at `url`/,
  },
]

describe.concurrent('a wrong integration is found, in plain words', { timeout: 120_000 }, () => {
  it.each(WRONG)('$name', async ({ effect, gateway, broken, words, advice, also = [] }) => {
    const options = { service: () => gatewayService(gateway), input, patience: '1500ms' } as const
    const report = await verifyEffect(effect, options)
    expect(report.ok).toBe(false)
    const check = report.checks.find(({ name }) => name === broken)
    const wrong = report.checks.filter(({ verdict }) => verdict === 'broken')
    expect(check, wrong.map((each) => each.words).join('\n')).toMatchObject({
      verdict: 'broken',
      words: expect.stringMatching(words),
    })
    expect(check?.advice).toMatch(advice)
    expect(wrong.map((each) => each.name)).toEqual(expect.arrayContaining([...also]))
  })
})
