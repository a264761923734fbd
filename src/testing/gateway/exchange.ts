import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../system/index.js'
import type { ApiError } from './errors.js'
import type { StoredReply } from './idempotency.js'
import type { Json } from './render.js'
import type { OpenRequest, RequestLog } from './request-log.js'

/** Larger bodies are refused; no operation of the API needs more. */
const LARGEST_BODY = 1024 * 1024

/** One request on the wire and the one answer that it may get, with its line in the log. */
export class Exchange {
  readonly line: OpenRequest
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #log: RequestLog
  readonly #clock: Clock

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    line: OpenRequest,
    { log, clock }: { readonly log: RequestLog; readonly clock: Clock },
  ) {
    this.#request = request
    this.#response = response
    this.line = line
    this.#log = log
    this.#clock = clock
    response.once('close', () => this.#finish('abandoned'))
    log.add(line)
  }

  /** Whether the client has closed the connection, or it was cut. */
  get isOver(): boolean {
    return this.#response.closed || this.#response.destroyed
  }

  /** Resolves when the client has closed the connection, or it was cut. */
  clientGone(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isOver) resolve()
      else this.#response.once('close', resolve)
    })
  }

  /** Notes that the operation has just run. */
  executed(): void {
    this.line.executed = true
    this.#log.reached(this.line)
  }

  /** Sends the response of this very request. */
  answer(reply: StoredReply): void {
    this.#send(reply.status, reply.render(), reply.headers)
  }

  /** Sends a response that an earlier request with the same key got. */
  replay(reply: StoredReply): void {
    this.line.replayed = true
    this.#send(reply.status, reply.render(), {
      ...reply.headers,
      'idempotent-replayed': 'true',
      'original-request': reply.requestId,
    })
  }

  /** Sends an error. */
  fail(error: ApiError): void {
    this.#send(error.status, { error: error.body }, error.headers)
  }

  /** Closes the connection without an answer. */
  cut(): void {
    this.#finish('dropped')
    this.#request.socket.destroy()
  }

  /** Closes the connection at once, so that the client sees a reset. */
  reset(): void {
    this.#finish('dropped')
    const { socket } = this.#request
    // One that is ending is not reset: Node 20 never closes its handle then, and hangs at its own exit.
    if (socket.writableEnded) socket.destroy()
    else socket.resetAndDestroy()
  }

  #send(status: number, value: Json, headers: Readonly<Record<string, string>>): void {
    this.line.status = status
    if (this.isOver) return
    const body = JSON.stringify(value)
    const length = Buffer.byteLength(body)
    const { idempotencyKey } = this.line
    this.#response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': length,
      'request-id': this.line.id,
      ...(idempotencyKey === null ? undefined : { 'idempotency-key': idempotencyKey }),
      ...headers,
    })
    // Pure ASCII needs no encoding, and most bodies are that.
    this.#response.end(body, length === body.length ? 'latin1' : 'utf8')
    this.#finish('answered')
  }

  #finish(outcome: 'abandoned' | 'answered' | 'dropped'): void {
    if (this.line.outcome !== 'waiting') return
    this.line.outcome = outcome
    this.line.finishedMs = this.#clock.wallMs()
    this.#log.reached(this.line)
  }
}

/** Reads a request's body, then calls `done` once; with null if it is too large. An aborted request calls nothing. */
export function readBody(request: IncomingMessage, done: (body: string | null) => void): void {
  const chunks: Buffer[] = []
  let length = 0
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= LARGEST_BODY) chunks.push(chunk)
  })
  request.on('end', () => {
    if (length > LARGEST_BODY) return done(null)
    done(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString())
  })
}
