import type { Agent } from 'node:http'
import type Stripe from 'stripe'
import { ConfigurationError, NotExecuted, OutcomeUnknown } from '../../protocol/index.js'
import { ForeignTransport } from './foreign-transport.js'
import type { StripeHttpClient } from './http.js'
import { NodeTransport } from './node-transport.js'
import { type PermitOptions, SingleSendClient } from './single-send.js'

/** What a client that sends once must be made with: spread it into the constructor's options. */
export interface SingleSendConfig {
  readonly httpClient: StripeHttpClient
  readonly maxNetworkRetries: 0
}

/**
 * Where our client comes from: your own client, from which we derive one of the same configuration (yours is left as
 * it is), or a function that makes one with the options that we give.
 */
export type StripeSource = Stripe | ((config: SingleSendConfig) => Stripe)

/** The oldest SDK whose requests take `headers`, by which a request finds its permit (tried: 18 drops them, 20 does not). */
const OLDEST_MAJOR = 20

/** Until when a request may be sent. A `Call` is one. */
export interface SendUntil {
  readonly signal: AbortSignal
  remainingMs(): number
}

/** A Stripe client for which one request is one send. */
export class SingleSendStripe {
  readonly #stripe: Stripe
  readonly #http: SingleSendClient

  /** @throws {ConfigurationError} when no client that surely sends once can be had; it says what to write instead. */
  constructor(source: StripeSource) {
    this.#http = new SingleSendClient(typeof source === 'function' ? new NodeTransport(undefined) : transportOf(source))
    this.#stripe = typeof source === 'function' ? made(source, this.#http) : derived(source, this.#http)
  }

  /**
   * Makes one request of the SDK, sent at most once and not after the deadline. At the deadline the socket is destroyed
   * and the request given up: as `NotExecuted` where nothing had been written, else as `OutcomeUnknown`.
   */
  async send<T>(until: SendUntil, request: (stripe: Stripe, options: PermitOptions) => Promise<T>): Promise<T> {
    if (until.signal.aborted || until.remainingMs() <= 0) throw tooLate()
    const sending = this.#http.open(until)
    try {
      return await orAbort(request(this.#stripe, sending.options), until.signal, () => {
        return sending.written ? timedOut() : tooLate()
      })
    } finally {
      sending.end()
    }
  }
}

function tooLate(): NotExecuted {
  return new NotExecuted('deadline_before_send', 'The time to act was over before the request was sent, so it was not.')
}

function timedOut(): OutcomeUnknown {
  return new OutcomeUnknown('timeout', 'Stripe had not answered by the deadline, and the connection was cut.')
}

function orAbort<T>(result: Promise<T>, signal: AbortSignal, whyNot: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(whyNot())
    signal.addEventListener('abort', onAbort, { once: true })
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** The user's way to the service: their agent on our transport, or their own HTTP client. */
function transportOf(stripe: Stripe): NodeTransport | ForeignTransport {
  assertDerivable(stripe)
  const client: unknown = stripe.getApiField('httpClient')
  if (!isHttpClient(client)) throw new ConfigurationError(CANNOT_DERIVE)
  const agent: unknown = stripe.getApiField('agent')
  if (isAgent(agent)) return new NodeTransport(agent)
  if (!isNodeClientOfTheSdk(stripe, client)) return new ForeignTransport(client)
  // `createNodeHttpClient(agent)` keeps the agent to itself; a proxy that was configured there must not be lost.
  const inner: unknown = Reflect.get(client, '_agent')
  return new NodeTransport(isAgent(inner) ? inner : undefined)
}

/** A new client with the configuration of the user's, as the SDK's own `withStripeContext` makes one. */
function derived(stripe: Stripe, http: SingleSendClient): Stripe {
  const Client = stripe.constructor as new (key: string, config: Record<string, unknown>) => Stripe
  const config = {
    authenticator: stripe._authenticator,
    apiVersion: stripe.getApiField('version'),
    host: stripe.getApiField('host'),
    port: stripe.getApiField('port'),
    protocol: stripe.getApiField('protocol'),
    timeout: stripe.getApiField('timeout'),
    stripeAccount: stripe.getApiField('stripeAccount') ?? undefined,
    stripeContext: stripe.getApiField('stripeContext') ?? undefined,
    telemetry: stripe.getTelemetryEnabled(),
    appInfo: stripe._appInfo,
    ...(emitsBodies(stripe) ? { emitEventBodies: true } : {}),
    // Leaving it out would change the user agent of every client in the process: the SDK keeps it in one place.
    typescript: Reflect.get(Reflect.get(Client, 'USER_AGENT') ?? {}, 'typescript') === true ? true : undefined,
    maxNetworkRetries: 0,
    httpClient: http,
  }
  const client = new Client('', config)
  assertUses(client, http)
  forwardEvents(client, stripe)
  return client
}

/** An option that older SDKs refuse: it is passed on only where it is set. */
function emitsBodies(stripe: Stripe): boolean {
  return typeof stripe.getEmitEventBodiesEnabled === 'function' && stripe.getEmitEventBodiesEnabled()
}

function made(make: (config: SingleSendConfig) => Stripe, http: SingleSendClient): Stripe {
  const client = make({ httpClient: http, maxNetworkRetries: 0 })
  assertUses(client, http)
  return client
}

const CANNOT_DERIVE =
  'stripePaymentIntents needs a client of the stripe package, version 22 or later, from which it can derive one that ' +
  'sends each request once (the SDK sends again on a closed connection, even with maxNetworkRetries: 0). Nothing was ' +
  'sent. Pass a function that makes the client instead, which works from version 20: ' +
  'stripePaymentIntents((config) => new Stripe(key, { ...config }), …).'

function assertDerivable(stripe: Stripe): void {
  const derivable =
    typeof stripe === 'object' &&
    stripe !== null &&
    typeof stripe.getApiField === 'function' &&
    typeof stripe.getTelemetryEnabled === 'function' &&
    typeof stripe._authenticator === 'function' &&
    // Before version 22 an instance does not know its constructor.
    stripe.constructor !== Object &&
    majorVersion(stripe) >= OLDEST_MAJOR
  if (!derivable) throw new ConfigurationError(CANNOT_DERIVE)
}

function majorVersion(stripe: Stripe): number {
  return typeof stripe.getConstant === 'function'
    ? Number.parseInt(String(stripe.getConstant('PACKAGE_VERSION')), 10)
    : 0
}

function assertUses(client: Stripe, http: SingleSendClient): void {
  const uses = typeof client?.getApiField === 'function' && client.getApiField('httpClient') === http
  if (uses && majorVersion(client) >= OLDEST_MAJOR) return
  throw new ConfigurationError(
    'The Stripe client does not use the httpClient that stripePaymentIntents gave it, or is older than version 20, so ' +
      'that a request could be sent twice. Nothing was sent. Spread the given options into the constructor: ' +
      '(config) => new Stripe(key, { ...config }).',
  )
}

/** Whoever listens to the user's client (`stripe.on('response', …)`) hears of our requests as well. */
function forwardEvents(client: Stripe, stripe: Stripe): void {
  const emitter: unknown = stripe._emitter
  if (typeof emitter !== 'object' || emitter === null || !('emit' in emitter)) return
  const { emit } = emitter
  if (typeof emit !== 'function') return
  for (const name of ['request', 'response']) client.on(name, (event: unknown) => emit.call(emitter, name, event))
}

function isHttpClient(client: unknown): client is StripeHttpClient {
  return typeof client === 'object' && client !== null && 'makeRequest' in client && 'getClientName' in client
}

function isNodeClientOfTheSdk(stripe: Stripe, client: StripeHttpClient): boolean {
  const create: unknown = Reflect.get(stripe.constructor, 'createNodeHttpClient')
  return typeof create === 'function' && client.constructor === create().constructor && '_agent' in client
}

function isAgent(agent: unknown): agent is Agent {
  return typeof agent === 'object' && agent !== null && 'addRequest' in agent
}
