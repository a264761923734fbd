import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { SeenRequest, WireRequest } from './observed.js'
import { forward, type UpstreamAnswer } from './upstream.js'
import type { Watch } from './watch.js'
import { bodyText } from './wire.js'

/** What our proxy does with one request. */
export type Treatment =
  | { readonly kind: 'pass' }
  /** The fake does it; its answer does not arrive, the connection is cut instead. */
  | { readonly kind: 'lose_response' }
  /** The fake does it; half of the answer's body arrives, then the connection is cut. */
  | { readonly kind: 'truncate' }
  /** The client gets this answer. `executed`: the fake does it before. */
  | { readonly kind: 'answer'; readonly status: number; readonly location?: string; readonly executed: boolean }
  /** The fake never sees it, and the connection is cut. */
  | { readonly kind: 'reset' }
  /** Kept until `until` resolves, whatever the client does; then the fake gets it, and the client its answer. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }

/** Chooses what happens to a request. */
export type Rule = (request: SeenRequest) => Treatment

export const PASS: Treatment = { kind: 'pass' }

const INJECTED = JSON.stringify({ error: { type: 'injected', message: 'This answer was injected by verify.' } })

interface Waiter {
  readonly wanted: (request: SeenRequest) => boolean
  readonly resolve: (request: SeenRequest) => void
}

/** A recording, fault-injecting HTTP proxy before the fake, for one worker: what that worker's SDK is pointed at. */
export class Gate {
  readonly requests: SeenRequest[] = []
  /** What happens to the requests that come. Default: they pass. */
  rule: Rule = () => PASS
  /** Why the fake could not be reached, if it could not. */
  trouble: unknown = null
  readonly #service: URL
  readonly #watch: Watch
  readonly #isEffect: (request: WireRequest) => boolean
  readonly #server: Server
  readonly #waiters = new Set<Waiter>()
  readonly #openResponses = new Map<SeenRequest, ServerResponse>()
  #port = 0
  #underWay = 0

  constructor(service: URL, watch: Watch, isEffect: (request: WireRequest) => boolean) {
    this.#service = service
    this.#watch = watch
    this.#isEffect = isEffect
    this.#server = createServer((request, response) => void this.#serve(request, response))
    // An idle connection that the proxy closed would look to a client like a lost response.
    this.#server.keepAliveTimeout = 0
    this.#server.requestTimeout = 0
    this.#server.headersTimeout = 0
  }

  get host(): string {
    return '127.0.0.1'
  }

  get port(): number {
    return this.#port
  }

  /** The fake's address with our host and port. */
  get url(): string {
    return `http://${this.host}:${this.#port}${this.#service.pathname.replace(/\/$/, '')}`
  }

  /** Requests are with the fake, or on their way back. */
  get busy(): boolean {
    return this.#underWay > 0
  }

  /** Listens, again on the same port after `refuse`. */
  async accept(): Promise<void> {
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

  /** From now on the port refuses connections; those that stand are cut. What the fake has, it has. */
  async refuse(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  /** Cuts the connection of a request that has no answer yet. */
  cut(request: SeenRequest): void {
    this.#openResponses.get(request)?.destroy()
  }

  /** The first request, from now on or already, that meets `wanted` when it arrives or when the fake has answered it. */
  until(wanted: (request: SeenRequest) => boolean): Promise<SeenRequest> {
    const found = this.requests.find(wanted)
    if (found !== undefined) return Promise.resolve(found)
    return new Promise((resolve) => this.#waiters.add({ wanted, resolve }))
  }

  #tell(request: SeenRequest): void {
    for (const waiter of this.#waiters) {
      if (!waiter.wanted(request)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(request)
    }
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(incoming)
    if (body === null) return
    const seen = this.#see(incoming, body)
    this.#openResponses.set(seen, response)
    response.once('close', () => {
      this.#openResponses.delete(seen)
      if (!response.writableFinished) seen.clientGone = true
      this.#tell(seen)
    })
    this.requests.push(seen)
    seen.during?.requests.push(seen)
    const treatment = this.rule(seen)
    this.#tell(seen)
    try {
      await this.#treat(treatment, { seen, incoming, body, response })
    } catch (error) {
      this.trouble ??= error
      response.destroy()
    }
  }

  #see(incoming: IncomingMessage, body: Buffer): SeenRequest {
    const { method = 'GET', url = '/', headers } = incoming
    const request = { method, path: url, headers, body: bodyText(body, headers['content-encoding']) }
    const during = this.#watch.current()
    const late = during !== null && (during.ended !== null || during.call.signal.aborted)
    const effectful = during?.kind !== 'find' && this.#isEffect(request)
    return { ...request, during, effectful, late, answer: null, clientGone: false }
  }

  async #treat(treatment: Treatment, exchange: Exchange): Promise<void> {
    const { response } = exchange
    switch (treatment.kind) {
      case 'pass':
        return answerWith(response, await this.#forward(exchange))
      case 'lose_response':
        await this.#forward(exchange)
        response.destroy()
        return
      case 'truncate':
        return truncate(response, await this.#forward(exchange))
      case 'answer':
        if (treatment.executed) await this.#forward(exchange)
        return answerInjected(response, treatment)
      case 'reset':
        response.destroy()
        return
      case 'hold':
        await treatment.until
        return answerWith(response, await this.#forward(exchange))
    }
  }

  async #forward({ seen, incoming, body }: Exchange): Promise<UpstreamAnswer> {
    this.#underWay++
    try {
      const answer = await forward(this.#service, incoming, body)
      seen.answer = { status: answer.status, body: bodyText(answer.body, answer.encoding) }
      this.#tell(seen)
      return answer
    } finally {
      this.#underWay--
    }
  }
}

interface Exchange {
  readonly seen: SeenRequest
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly response: ServerResponse
}

/** The whole body, or null where the client went away in the middle of it: then it has sent no request. */
async function readAll(incoming: IncomingMessage): Promise<Buffer | null> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch {
    return null
  }
}

function answerWith(response: ServerResponse, { status, headers, body }: UpstreamAnswer): void {
  if (response.destroyed) return
  response.writeHead(status, headers)
  response.end(body)
}

function truncate(response: ServerResponse, { status, headers, body }: UpstreamAnswer): void {
  // Without a body the answer breaks off in its head.
  if (response.destroyed || body.length < 2) return void response.destroy()
  response.writeHead(status, { ...headers, 'content-length': body.length })
  response.write(body.subarray(0, body.length / 2), () => response.destroy())
}

function answerInjected(response: ServerResponse, { status, location }: Treatment & { kind: 'answer' }): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', ...(location === undefined ? {} : { location }) })
  response.end(INJECTED)
}
