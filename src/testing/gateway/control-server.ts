import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { GatewaySettings } from './account.js'
import { readBody } from './exchange.js'
import type { FaultRule } from './faults.js'
import type { Gateway } from './gateway.js'
import type { RequestFilter, RequestStage } from './request-log.js'

/** What a control request does; the returned value is the JSON response. */
type Action = (gateway: Gateway, query: URLSearchParams, body: unknown) => unknown

const ACTIONS: Readonly<Record<string, Action>> = {
  'GET /_gateway/ledger': ({ ledger }, query) => {
    const businessKey = query.get('business_key')
    return {
      totals: ledger.totals(),
      charged_twice: ledger.chargedTwice(),
      charges: businessKey === null ? ledger.all() : ledger.charges(businessKey),
    }
  },
  'GET /_gateway/requests': ({ requests }, query) => ({ requests: requests.all(filterOf(query)) }),
  'GET /_gateway/until': ({ requests }, query) => requests.until(stageOf(query), filterOf(query)),
  'GET /_gateway/settings': (gateway) => gateway.settings,
  'POST /_gateway/settings': (gateway, _query, body) => {
    gateway.configure(body as Partial<GatewaySettings>)
    return gateway.settings
  },
  'PUT /_gateway/faults': (gateway, _query, body) => gateway.setFaults(body as FaultRule[]),
  'POST /_gateway/faults': (gateway, _query, body) => gateway.fault(body as FaultRule),
  'POST /_gateway/prune-keys': (gateway) => gateway.pruneKeys(),
  'POST /_gateway/refuse-connections': (gateway) => gateway.refuseConnections(),
  'POST /_gateway/accept-connections': (gateway) => gateway.acceptConnections(),
  'POST /_gateway/reset': (gateway) => gateway.reset(),
}

/** The control server of a gateway that runs as a process of its own. */
export interface ControlServer {
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves `/_gateway/…` for a gateway, on a port of its own: so no fault and no refused connection ever touches it, and
 * no client of the simulated service can reach it by mistake.
 */
export async function startControlServer(gateway: Gateway, port = 0): Promise<ControlServer> {
  const server = createServer((request, response) => {
    readBody(request, (body) => void respond(gateway, request, response, body ?? ''))
  })
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, gateway.host, resolve)
  })
  const address = server.address()
  const actualPort = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${gateway.host}:${actualPort}`,
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

async function respond(gateway: Gateway, request: IncomingMessage, response: ServerResponse, body: string) {
  const url = new URL(request.url ?? '/', 'http://control')
  const action = ACTIONS[`${request.method} ${url.pathname}`]
  if (action === undefined) {
    return send(response, 404, { error: `There is no ${request.method} ${url.pathname}.`, known: Object.keys(ACTIONS) })
  }
  try {
    const result = await action(gateway, url.searchParams, body === '' ? undefined : JSON.parse(body))
    send(response, 200, result ?? { ok: true })
  } catch (error) {
    send(response, 400, { error: error instanceof Error ? error.message : String(error) })
  }
}

function send(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function filterOf(query: URLSearchParams): RequestFilter {
  const fields = [...query].filter(([name]) => name !== 'stage')
  return Object.fromEntries(fields) as RequestFilter
}

function stageOf(query: URLSearchParams): RequestStage {
  const stage = query.get('stage')
  if (stage === 'executed' || stage === 'finished' || stage === 'received') return stage
  throw new TypeError(`The stage is ${stage}; it must be received, executed or finished.`)
}
