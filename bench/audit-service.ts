// A service that lists its operations over HTTP, a hundred at a time, as payment services do. Run as a process.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExternalOperation } from 'counterfoil'
import { AuditWorld } from './audit-world.js'

const PAGE = 100
const world = new AuditWorld(JSON.parse(process.argv[2] ?? '{}'))
const latencyMs = Number(process.argv[3] ?? 0)

function page(from: number): { readonly data: ExternalOperation[]; readonly next: number | null } {
  const data: ExternalOperation[] = []
  let slot = from
  for (; slot < world.slots && data.length < PAGE; slot++) {
    const operation = world.operationAt(slot)
    if (operation !== null) data.push(operation)
  }
  return { data, next: slot < world.slots ? slot : null }
}

const server = createServer((request, response) => {
  const from = Number(new URL(request.url ?? '/', 'http://service').searchParams.get('from') ?? 0)
  const body = JSON.stringify(page(from))
  const send = (): void => {
    response.setHeader('content-type', 'application/json')
    response.end(body)
  }
  if (latencyMs > 0) setTimeout(send, latencyMs)
  else send()
})
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit(0))
