import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../system/index.js'
import { Account, businessKeyOf, type World } from './account.js'
import type { Call, Reply } from './call.js'
import { ApiError, internalError, invalidRequest, rateLimited, unavailable } from './errors.js'
import { Exchange } from './exchange.js'
import { expand } from './expand.js'
import type { Fault, FaultChooser } from './faults.js'
import { arrayValues, decodeForm, type Form } from './form.js'
import type { KeyedStart, StoredReply } from './idempotency.js'
import { Parameters } from './parameters.js'
import type { RequestLog } from './request-log.js'
import { findRoute, type RouteMatch } from './routes.js'
import { seededFraction } from './seeded.js'

const DEFAULT_API_VERSION = '2026-10-28.endive'

/** The default start of a request without a usable key: it runs, and nothing is stored. */
const WITHOUT_KEY: KeyedStart = { kind: 'run', settle: () => undefined, release: () => undefined }

interface Admitted {
  readonly account: Account
  readonly match: RouteMatch | null
  readonly form: Form
  readonly fault: Fault | null
  readonly rawBody: string
  readonly apiVersion: string
}

/** The simulated service behind the HTTP server: takes requests in, applies faults and keys, runs operations. */
export class Service {
  readonly world: World
  readonly #log: RequestLog
  readonly #faults: FaultChooser
  readonly #seed: number
  readonly #closing: AbortSignal
  readonly #accounts = new Map<string, Account>()
  #requests = 0
  #resets = 0

  constructor(world: World, log: RequestLog, faults: FaultChooser, seed: number, closing: AbortSignal) {
    this.world = world
    this.#log = log
    this.#faults = faults
    this.#seed = seed
    this.#closing = closing
  }

  /** Forgets every idempotency key whose first request is finished. */
  pruneKeys(): void {
    for (const account of this.#accounts.values()) account.keys.prune()
  }

  /** Forgets every object and key. Ids of new objects differ from those that were forgotten. */
  reset(): void {
    this.#accounts.clear()
    this.#resets += 1
  }

  /** Takes a request whose body has been read and sees it through to its answer, or to its end without one. */
  async serve(request: IncomingMessage, response: ServerResponse, body: string | null): Promise<void> {
    const exchange = this.#open(request, response)
    try {
      if (body === null) throw new ApiError(413, { type: 'invalid_request_error', message: 'The body is too large.' })
      const admitted = this.#admit(request, exchange, body)
      await this.#carryOut(exchange, admitted)
    } catch (error) {
      if (error instanceof ApiError) exchange.fail(error)
      else if (error instanceof URIError)
        exchange.fail(invalidRequest(`The parameters are malformed: ${error.message}`))
      else {
        exchange.fail(internalError())
        throw error
      }
    }
  }

  #open(request: IncomingMessage, response: ServerResponse): Exchange {
    this.#requests += 1
    const path = request.url ?? '/'
    const query = path.indexOf('?')
    const line = {
      id: `req_${this.#requests.toString(36).padStart(14, '0')}`,
      method: request.method ?? '',
      path: query === -1 ? path : path.slice(0, query),
      route: null,
      idempotencyKey: headerOf(request, 'idempotency-key'),
      userAgent: headerOf(request, 'user-agent'),
      businessKey: null,
      receivedMs: this.world.clock.wallMs(),
      finishedMs: null,
      fault: null,
      executed: false,
      replayed: false,
      status: null,
      outcome: 'waiting' as const,
    }
    return new Exchange(request, response, line, { log: this.#log, clock: this.world.clock })
  }

  /** Who asks, for what, and which fault strikes. */
  #admit(request: IncomingMessage, { line }: Exchange, rawBody: string): Admitted {
    const account = this.#authenticate(request)
    const query = request.url?.indexOf('?') ?? -1
    const form = decodeForm(
      line.method === 'GET' ? (query === -1 ? '' : (request.url ?? '').slice(query + 1)) : rawBody,
    )
    const match = findRoute(line.method, line.path, this.world.settings.level)
    line.route = match?.route.name ?? null
    line.businessKey = this.#businessKeyOf(account, form, match?.id ?? '')
    const fault = this.world.settings.outage ?? this.#faults.choose(line)
    line.fault = fault?.kind ?? null
    const apiVersion = headerOf(request, 'stripe-version') ?? DEFAULT_API_VERSION
    return { account, match, form, fault, rawBody, apiVersion }
  }

  async #carryOut(exchange: Exchange, admitted: Admitted): Promise<void> {
    const { fault, match } = admitted
    if (fault?.kind === 'refuse_connection') return exchange.reset()
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'rate_limit') throw rateLimited(fault.retryAfterSeconds ?? 1)
    if (fault?.kind === 'unavailable') throw unavailable()
    if (match === null) throw unknownUrl(exchange.line.method, exchange.line.path)
    const start = this.#startKey(exchange, admitted)
    if (start.kind === 'replay') {
      await this.#hold(exchange, fault)
      if (isServerError(fault)) throw internalError()
      return this.#deliver(exchange, fault, () => exchange.replay(start.reply))
    }
    await this.#run(exchange, admitted, match, start)
  }

  async #run(
    exchange: Exchange,
    admitted: Admitted,
    match: RouteMatch,
    start: KeyedStart & { kind: 'run' },
  ): Promise<void> {
    const { account, fault } = admitted
    let execute: () => Reply
    try {
      execute = match.route.prepare(callOf(exchange, admitted, match))
    } catch (error) {
      start.release()
      throw error
    }
    await this.#hold(exchange, fault)
    if (this.#closing.aborted) return start.release()
    const result =
      fault?.kind === '500_before_commit'
        ? internalError()
        : attempt(account, execute, arrayValues(admitted.form.expand))
    const reply = toStore(exchange.line.id, fault?.kind === '500_after_commit' ? internalError() : result)
    start.settle(reply)
    exchange.line.status = reply.status
    if (fault?.kind !== '500_before_commit') exchange.executed()
    await this.#deliver(exchange, fault, () => exchange.answer(reply))
  }

  /** Waits as long as latency and fault demand before the operation takes effect. */
  async #hold(exchange: Exchange, fault: Fault | null): Promise<void> {
    const { clock, settings } = this.world
    if (settings.latencyMs > 0) await clock.sleep(settings.latencyMs, this.#closing)
    if (fault?.kind === 'delay' && fault.beforeCommitMs !== undefined) {
      await clock.sleep(fault.beforeCommitMs, this.#closing)
    }
    if (fault?.kind !== 'commit_after_client_gave_up') return
    const { lateMs = 0, latestMs } = fault
    await untilFirst(clock, exchange.clientGone(), latestMs, this.#closing)
    if (exchange.isOver && lateMs > 0) await clock.sleep(lateMs, this.#closing)
  }

  /** Sends what has been decided, as the fault allows. */
  async #deliver(exchange: Exchange, fault: Fault | null, send: () => void): Promise<void> {
    if (fault?.kind === 'lose_response_after_commit') return exchange.cut()
    if (fault?.kind === 'delay' && fault.afterCommitMs !== undefined) {
      await this.world.clock.sleep(fault.afterCommitMs, this.#closing)
    }
    send()
  }

  #startKey({ line }: Exchange, { account, rawBody }: Admitted): KeyedStart {
    const usable = line.method === 'POST' && this.world.settings.level === 'keys'
    if (!usable || line.idempotencyKey === null) return WITHOUT_KEY
    return account.keys.start(line.idempotencyKey, line.path, rawBody)
  }

  #authenticate(request: IncomingMessage): Account {
    const key = secretKeyOf(request.headers.authorization)
    if (key === null) throw unauthorized()
    const name = headerOf(request, 'stripe-account') ?? key
    let account = this.#accounts.get(name)
    if (account === undefined) {
      account = new Account(this.world, name, this.#tag(this.#accounts.size))
      this.#accounts.set(name, account)
    }
    return account
  }

  /** Ids look random and are the same in every run of one seed. */
  #tag(accountNumber: number): string {
    const fraction = seededFraction(this.#seed, `account ids ${this.#resets}`)
    const random = Math.floor(fraction * 36 ** 8).toString(36)
    return random.padStart(8, '0') + accountNumber.toString(36).padStart(2, '0')
  }

  #businessKeyOf(account: Account, form: Form, id: string): string | null {
    const field = this.world.businessKeyField
    const { metadata } = form
    if (typeof metadata === 'object') {
      const key = metadata.business_key ?? metadata[field]
      if (typeof key === 'string') return key
    }
    for (const subject of [id, form.payment_intent, form.charge]) {
      if (typeof subject !== 'string' || subject === '') continue
      const record = account.paymentIntents.get(subject) ?? account.charges.get(subject)
      if (record !== undefined) return businessKeyOf(record.metadata, field)
    }
    return null
  }
}

function callOf(exchange: Exchange, admitted: Admitted, match: RouteMatch): Call {
  return {
    account: admitted.account,
    requestId: exchange.line.id,
    idempotencyKey: exchange.line.idempotencyKey,
    apiVersion: admitted.apiVersion,
    parameters: new Parameters(admitted.form, match.route.accepted),
    id: match.id,
  }
}

/** Runs an operation. What it throws as an answer is its result; anything else is a defect and goes on. */
function attempt(account: Account, execute: () => Reply, expanded: readonly string[]): ApiError | Reply {
  try {
    const reply = execute()
    if (expanded.length === 0) return reply
    const body = expand(account, reply.render(), expanded)
    return { status: reply.status, render: () => body }
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
}

function toStore(requestId: string, result: ApiError | Reply): StoredReply {
  if (!(result instanceof ApiError)) return { requestId, status: result.status, headers: {}, render: result.render }
  const { status, body, headers } = result
  return { requestId, status, headers, render: () => ({ error: body }) }
}

async function untilFirst(clock: Clock, event: Promise<void>, latestMs: number | undefined, closing: AbortSignal) {
  const settled = new AbortController()
  const onClosing = (): void => settled.abort()
  closing.addEventListener('abort', onClosing, { once: true })
  await Promise.race([event, clock.sleep(latestMs ?? Number.POSITIVE_INFINITY, settled.signal)])
  closing.removeEventListener('abort', onClosing)
  settled.abort()
}

function isServerError(fault: Fault | null): boolean {
  return fault?.kind === '500_before_commit' || fault?.kind === '500_after_commit'
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/** `Bearer sk_…`, or HTTP Basic with the key as user name, as Stripe accepts both. */
function secretKeyOf(authorization: string | undefined): string | null {
  if (authorization === undefined) return null
  const [scheme, credential = ''] = authorization.split(' ')
  const key = scheme === 'Basic' ? Buffer.from(credential, 'base64').toString().split(':')[0] : credential
  return key !== undefined && /^[rs]k_\w+$/.test(key) ? key : null
}

function unauthorized(): ApiError {
  return new ApiError(401, {
    type: 'invalid_request_error',
    message:
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer sk_test_…').",
  })
}

function unknownUrl(method: string, path: string): ApiError {
  return new ApiError(404, {
    type: 'invalid_request_error',
    message: `Unrecognized request URL (${method}: ${path}). The gateway simulates a part of the API, and at some levels less.`,
  })
}
