import { setMaxListeners } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type Clock, realClock } from '../../system/index.js'
import type { GatewaySettings } from './account.js'
import { readBody } from './exchange.js'
import { checkFault, FaultChooser, type FaultPlan, type FaultRule } from './faults.js'
import { Ledger } from './ledger.js'
import { RequestLog } from './request-log.js'
import { Service } from './service.js'

const DAY_MS = 24 * 60 * 60 * 1000

/** How a gateway starts. Everything has a default. */
export interface GatewayOptions extends Partial<GatewaySettings> {
  /** Default 0: any free port. */
  readonly port?: number
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Decides which requests a rule with a probability strikes, and the ids of objects. Default 1. */
  readonly seed?: number
  /** What goes wrong. Default: nothing. */
  readonly faults?: FaultPlan
  /**
   * The metadata entry that says what must be paid once; the ledger counts by it. An entry `business_key` goes before
   * it. Default `order_id`.
   */
  readonly businessKeyField?: string
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/**
 * Starts a simulated payment service that speaks Stripe's API over real HTTP. The `stripe` SDK drives it unchanged:
 *
 * ```ts
 * const gateway = await startGateway()
 * const stripe = new Stripe('sk_test_any', { host: gateway.host, port: gateway.port, protocol: 'http' })
 * ```
 *
 * Every secret key (or, if given, `Stripe-Account`) is an account of its own.
 *
 * @throws {Error} if the port is taken, or a fault rule is malformed.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = new Gateway(options)
  await gateway.acceptConnections()
  return gateway
}

/** A running gateway. Made by `startGateway`. */
export class Gateway {
  readonly host: string
  /** Every charge that was made, whatever the callers were told. */
  readonly ledger = new Ledger()
  /** Every request that arrived. */
  readonly requests = new RequestLog()
  readonly #closing = new AbortController()
  readonly #faults: FaultChooser
  readonly #service: Service
  readonly #server: Server
  readonly #unanswered = new Set<ServerResponse>()
  #port: number

  /** @internal Use `startGateway`. */
  constructor(options: GatewayOptions) {
    const { clock = realClock, seed = 1, faults = [], businessKeyField = 'order_id' } = options
    const { level = 'keys', latencyMs = 0, searchLagMs = 0, keyWindowMs = DAY_MS } = options
    this.host = options.host ?? '127.0.0.1'
    this.#port = options.port ?? 0
    // Every request that waits listens for the end; there may be thousands.
    setMaxListeners(0, this.#closing.signal)
    this.#faults = new FaultChooser(seed, faults)
    const settings = checkedSettings({ level, latencyMs, searchLagMs, keyWindowMs })
    const world = { clock, ledger: this.ledger, businessKeyField, settings }
    this.#service = new Service(world, this.requests, this.#faults, seed, this.#closing.signal)
    this.#server = this.#createServer()
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://${this.host}:${this.#port}`
  }

  get settings(): GatewaySettings {
    return this.#service.world.settings
  }

  /**
   * Changes level, latency, search lag or key window for all that follows.
   *
   * @throws {RangeError} for a level that does not exist, or a time that is not a number from 0.
   */
  configure(changes: Partial<GatewaySettings>): void {
    this.#service.world.settings = checkedSettings({ ...this.settings, ...changes })
  }

  /** Adds a fault rule behind those that there are. */
  fault(rule: FaultRule): void {
    this.#faults.add(rule)
  }

  /** Replaces all fault rules; counts begin anew. An empty list ends all faults. */
  setFaults(plan: FaultPlan): void {
    this.#faults.plan(plan)
  }

  /** Forgets idempotency keys now, however young, as the service may do after its window. Not those under way. */
  pruneKeys(): void {
    this.#service.pruneKeys()
  }

  /** Forgets all: objects, keys, ledger, log and fault rules. Settings stay. */
  reset(): void {
    this.#service.reset()
    this.ledger.clear()
    this.requests.clear()
    this.#faults.plan([])
  }

  /** The port refuses connections from now on, as if the service were down. Requests under way are finished. */
  async refuseConnections(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeIdleConnections()
    for (const response of this.#unanswered) response.shouldKeepAlive = false
  }

  /** Listens (again) on the same port. */
  async acceptConnections(): Promise<void> {
    if (this.#server.listening) return
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, this.host, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    const address = this.#server.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
  }

  /** Stops: cuts every connection, and lets nothing that is still held take effect. */
  async close(): Promise<void> {
    this.#closing.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #createServer(): Server {
    const server = createServer({ noDelay: true }, (request, response) => {
      if (!server.listening) response.shouldKeepAlive = false
      this.#unanswered.add(response)
      response.once('close', () => this.#unanswered.delete(response))
      readBody(request, (body) => void this.#service.serve(request, response, body))
    })
    // An idle connection that the gateway closed would look to a client like a lost response.
    server.keepAliveTimeout = 0
    server.requestTimeout = 0
    server.headersTimeout = 0
    return server
  }
}

/** Settings also come from a command line and over the wire, where no type guards them. */
function checkedSettings(settings: GatewaySettings): GatewaySettings {
  const { level, outage, ...times } = settings
  if (!['keys', 'lookup', 'none'].includes(level)) {
    throw new RangeError(`The level is ${level}; it must be keys, lookup or none.`)
  }
  for (const [name, value] of Object.entries(times)) {
    if (!(value >= 0)) throw new RangeError(`${name} is ${value}; it must be a number of milliseconds from 0.`)
  }
  if (outage !== undefined && outage !== null) checkFault(outage)
  return settings
}
