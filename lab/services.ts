import type { Agent } from 'node:http'
import type pg from 'pg'
import Stripe from 'stripe'
import { openPool } from './database.js'
import type { GatewayAddress, Services, Strategy } from './strategy.js'
import { CALL_TIMEOUT_MS, PREFETCH } from './timing.js'

/** Where the parts of one cell are: what can be told to another process. */
export interface CellAddress {
  readonly cell: string
  readonly databaseUrl: string
  readonly gateway: Omit<GatewayAddress, 'agent'>
  readonly redisUrl: string
}

/** The parts of a cell, for this process and this strategy. All connections to the gateway go through `agent`. */
export function servicesOf(address: CellAddress, strategy: Strategy, agent: Agent): Services {
  return {
    pool: poolOf(address.databaseUrl, strategy.holdsConnections === true ? PREFETCH + 1 : FEW_CONNECTIONS),
    stripe: openStripe({ ...address.gateway, agent }),
    gateway: { ...address.gateway, agent },
    redisUrl: address.redisUrl,
    cell: address.cell,
  }
}

/** Enough where none is held while the gateway is asked. */
const FEW_CONNECTIONS = 4

const pools = new Map<string, pg.Pool>()

/** The process's pool of that size for that database: it stays from cell to cell, as an application's would. */
function poolOf(databaseUrl: string, max: number): pg.Pool {
  const name = `${max} ${databaseUrl}`
  const pool = pools.get(name) ?? openPool(databaseUrl, max)
  pools.set(name, pool)
  return pool
}

function openStripe({ host, port, secretKey, agent }: GatewayAddress): Stripe {
  return new Stripe(secretKey, {
    host,
    port,
    protocol: 'http',
    timeout: CALL_TIMEOUT_MS,
    maxNetworkRetries: 0,
    telemetry: false,
    httpClient: sendingOnce(agent),
  })
}

/**
 * The SDK sends a request a second time when the connection was reset, even with `maxNetworkRetries: 0`; it knows that
 * by two error codes. Where keys are honoured that does no harm. Where they are not, it would charge twice behind the
 * back of every strategy, so the lab takes it out, to the advantage of all.
 */
function sendingOnce(agent: Agent): Stripe.HttpClient {
  const client = Stripe.createNodeHttpClient(agent)
  const makeRequest = client.makeRequest.bind(client)
  client.makeRequest = async (...request) => {
    try {
      return await makeRequest(...request)
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) {
        error.code = `${error.code}_NOT_SENT_AGAIN`
      }
      throw error
    }
  }
  return client
}
