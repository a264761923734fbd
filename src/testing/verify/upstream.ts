import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'

/** A whole answer of the fake, as it is handed on. */
export interface UpstreamAnswer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly encoding: string | undefined
  readonly body: Buffer
}

/** Headers that speak of one connection, not of the message: RFC 9110, section 7.6.1. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Hands a request on to the fake, on a connection of its own, and reads its whole answer.
 *
 * @throws {Error} where the fake cannot be reached, or breaks off.
 */
export function forward(service: URL, incoming: IncomingMessage, body: Buffer): Promise<UpstreamAnswer> {
  const { request } = service.protocol === 'https:' ? https : http
  const length = body.length > 0 ? { 'content-length': body.length } : {}
  const headers = { ...endToEnd(incoming.headers), ...length, host: service.host }
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(incoming.url ?? '/', service), { method: incoming.method, headers, agent: false })
    outgoing.once('error', reject)
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 502,
          headers: endToEnd(response.headers),
          encoding: response.headers['content-encoding'],
          body: Buffer.concat(chunks),
        }),
      )
    })
    outgoing.end(body)
  })
}

function endToEnd(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name) && name !== 'expect'))
}
