/**
 * The payment service of the bench, as a process of its own: it charges every time it is asked, honours no key, counts,
 * and can be asked for a charge by its key. It costs a fraction of the package's simulated gateway, so that the systems
 * are measured and not the service. It is told what to do, and asked what came, over the process channel.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { ServiceAnswer, ServiceOrder } from './channel.js'

const counts = new Map<string, number>()
let charges = 0
let waiting = 0
let latencyMs = 0

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  if (request.method === 'GET') {
    find(request, response)
    return
  }
  request.resume()
  request.once('end', () => charge(String(request.headers['x-key']), response))
})

function charge(key: string, response: ServerResponse): void {
  charges++
  counts.set(key, (counts.get(key) ?? 0) + 1)
  const answer = (): void => send(response, 200, { id: `ch_${charges}`, key })
  if (latencyMs === 0) {
    answer()
    return
  }
  waiting++
  setTimeout(() => {
    waiting--
    answer()
  }, latencyMs)
}

function find(request: IncomingMessage, response: ServerResponse): void {
  const key = decodeURIComponent((request.url ?? '').slice('/charges/'.length))
  const isThere = counts.has(key)
  send(response, isThere ? 200 : 404, isThere ? { id: `ch_${key}`, key } : {})
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

process.on('message', (order: ServiceOrder) => {
  if (order.do === 'reset') {
    counts.clear()
    charges = 0
    latencyMs = order.latencyMs
  }
  if (order.do === 'answer at once') latencyMs = 0
  const twice = [...counts.values()].filter((count) => count > 1).length
  const answer: ServiceAnswer = { charges, keys: counts.size, twice, waiting }
  process.send?.(answer)
})
process.once('disconnect', () => process.exit(0))
server.listen(0, '127.0.0.1', () => process.send?.({ url: addressOf() }))

function addressOf(): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The service has no address.')
  return `http://127.0.0.1:${address.port}`
}
