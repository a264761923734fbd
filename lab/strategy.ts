import type { GatewayLevel } from 'counterfoil/testing'
import type pg from 'pg'
import type Stripe from 'stripe'
import type { Message } from './application.js'

/** What a strategy is given to work with. Each cell of the lab has a database and a gateway of its own. */
export interface Services {
  readonly pool: pg.Pool
  /** The real SDK, pointed at the gateway. It sends every request once and gives up after `CALL_TIMEOUT_MS`. */
  readonly stripe: Stripe
  /** For clients that are not the SDK: the gateway's address, and the agent that all connections go through. */
  readonly gateway: GatewayAddress
  /** Where Redis is; only strategies that need it are run with one. */
  readonly redisUrl: string
  /** Sets this cell apart from others in a shared Redis. */
  readonly cell: string
}

export interface GatewayAddress {
  readonly host: string
  readonly port: number
  readonly secretKey: string
  readonly agent: import('node:http').Agent
}

/** A strategy at work in one process. */
export interface Handler {
  /** Handles one message. Returning acknowledges it; throwing has the broker deliver it again later. */
  handle(message: Message): Promise<void>
  /** Finishes what is under way. */
  stop(): Promise<void>
}

/** A way to take the money for an order once, as a competent team would write it. */
export interface Strategy {
  readonly name: string
  /** What the gateway must be capable of for it: the strategy runs where it suits. */
  readonly gateway: GatewayLevel
  /** How it tries to charge once, in a sentence. */
  readonly idea: string
  /** Tables of its own, beside the application's. */
  readonly schema?: string
  readonly needsRedis?: boolean
  /** It holds a database connection across the call, and so needs one for each message in hand. Default false. */
  readonly holdsConnections?: boolean
  start(services: Services): Promise<Handler>
  /** The nightly job, where the strategy has one: it runs when the day has come to rest. */
  audit?(services: Services): Promise<void>
}

/** Whether a row of that name is Counterfoil's: itself, or one of its ways of use, such as `counterfoil/outbox`. */
export function isCounterfoil(name: string): boolean {
  return name.split('/')[0] === 'counterfoil'
}
