import type { Agent, IncomingMessage } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import { type OutgoingRequest, type Permit, SendFailed, type StripeHttpResponse, type Transport } from './http.js'

/** The ciphers that the SDK's own client asks for, so that a derived client negotiates what the user's would. */
const CIPHERS = 'DEFAULT:!aNULL:!eNULL:!LOW:!EXPORT:!SSLv2:!MD5'

/**
 * Sends by Node's http and https, as the SDK's own client does, with three differences: the permit is checked when the
 * connection stands and before anything is written (a request may have waited for a free socket of its agent, or for a
 * slow handshake); an abort destroys the socket, whatever stage it is in; and the body is read whole before the
 * response is handed on, so that a body cut short is a failed send and nothing else.
 */
export class NodeTransport implements Transport {
  readonly name = 'node'
  readonly #agent: Agent | undefined
  readonly #ownAgents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) }

  /** `agent`: the user's own (for a proxy, say). Default: a pool of kept-alive connections, as the SDK has it. */
  constructor(agent: Agent | undefined) {
    this.#agent = agent
  }

  send(request: OutgoingRequest, permit: Permit): Promise<StripeHttpResponse> {
    const secure = request.protocol !== 'http'
    const agent = this.#agent ?? (secure ? this.#ownAgents.https : this.#ownAgents.http)
    return new Promise((resolve, reject) => {
      let written = false
      let answered = false
      const fail = (cause: unknown): void => reject(new SendFailed(whatIsKnown(written), written, { cause }))
      const { host, port, path, method, headers, timeoutMs: timeout } = request
      const outgoing = (secure ? https : http).request({
        ...{ host, port, path, method, headers, agent, timeout, signal: permit.signal },
        ciphers: CIPHERS,
      })
      const write = (): void => {
        if (permit.signal.aborted || permit.remainingMs() <= 0) {
          outgoing.destroy(new Error('The time to send was over.'))
          return
        }
        written = true
        permit.markWritten()
        outgoing.end(request.body)
      }
      outgoing.once('socket', (socket) => {
        if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', write)
        else write()
      })
      outgoing.once('timeout', () => outgoing.destroy(timeoutError(timeout)))
      outgoing.on('error', fail)
      outgoing.once('response', (response) => {
        answered = true
        readWhole(response).then(resolve, fail)
      })
      // Without a response it is over here; with one, `readWhole` has the last word, and a second rejection is none.
      outgoing.once('close', () => {
        if (!answered) fail(closedError())
      })
    })
  }
}

function whatIsKnown(written: boolean): string {
  return written
    ? 'The connection failed after the request was written: it may have been executed.'
    : 'The request was not written: nothing can have been executed.'
}

function timeoutError(timeoutMs: number): Error {
  return Object.assign(new Error(`No byte came for ${timeoutMs} ms.`), { code: 'ETIMEDOUT' })
}

function closedError(): Error {
  return Object.assign(new Error('The connection was closed.'), { code: 'ECONNRESET' })
}

function readWhole(response: IncomingMessage): Promise<StripeHttpResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.once('error', reject)
    response.once('close', () => {
      if (response.complete) resolve(new NodeResponse(response, Buffer.concat(chunks)))
      else reject(closedError())
    })
  })
}

class NodeResponse implements StripeHttpResponse {
  readonly #response: IncomingMessage
  readonly #body: Buffer

  constructor(response: IncomingMessage, body: Buffer) {
    this.#response = response
    this.#body = body
  }

  getStatusCode(): number {
    return this.#response.statusCode ?? 0
  }

  getHeaders(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.#response.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : (value ?? ''),
      ]),
    )
  }

  getRawResponse(): IncomingMessage {
    return this.#response
  }

  toStream(streamCompleteCallback: () => void): Readable {
    return Readable.from([this.#body]).once('end', streamCompleteCallback)
  }

  async toJSON(): Promise<object> {
    return JSON.parse(this.#body.toString('utf8')) as object
  }
}
