import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What a proxy does to the traffic:
 * - `open`: passes it on
 * - `cut`: every connection is reset, new ones too
 * - `blackhole`: nothing passes and nobody is told, as where a cable was pulled
 */
export type ProxyState = 'open' | 'cut' | 'blackhole'

/** A TCP proxy between one process and one server, so that the network between these two can fail alone. */
export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #pairs: Set<Pair>
  #state: ProxyState = 'open'

  private constructor(server: Server, port: number, pairs: Set<Pair>) {
    this.#server = server
    this.port = port
    this.#pairs = pairs
    server.on('connection', (client) => this.#accept(client))
  }

  /** The server's address, where this proxy leads. */
  static async to(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const server = createServer({ noDelay: true, pauseOnConnect: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')
    const pairs = new Set<Pair>()
    const proxy = new TcpProxy(server, address.port, pairs)
    proxy.#target = target
    return proxy
  }

  #target: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 }
  #delayMs = 0

  /** Every packet is held for this long, in each direction. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  cut(): void {
    this.#state = 'cut'
    this.#resetAll()
  }

  blackhole(): void {
    this.#state = 'blackhole'
  }

  /**
   * Passes traffic on again. After a blackhole, `deliver` also passes on what was held meanwhile, as TCP does when the
   * cable is back soon; `reset` ends the connections, as it does later.
   */
  open(held: 'deliver' | 'reset'): void {
    this.#state = 'open'
    this.#delayMs = 0
    if (held === 'reset') this.#resetAll()
    for (const pair of this.#pairs) pair.release()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#resetAll()
    await once(this.#server, 'close')
  }

  #resetAll(): void {
    for (const pair of [...this.#pairs]) pair.reset()
  }

  #accept(client: Socket): void {
    if (this.#state === 'cut') {
      client.on('error', () => undefined)
      reset(client)
      return
    }
    const pair = new Pair(client, connect({ ...this.#target, noDelay: true }), {
      isOpen: () => this.#state === 'open',
      delayMs: () => this.#delayMs,
    })
    this.#pairs.add(pair)
    pair.whenOver(() => this.#pairs.delete(pair))
  }
}

interface Conditions {
  isOpen(): boolean
  delayMs(): number
}

/** One connection through the proxy: two sockets, and what is held between them. */
class Pair {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #conditions: Conditions
  #held: (() => void)[] = []

  constructor(client: Socket, upstream: Socket, conditions: Conditions) {
    this.#client = client
    this.#upstream = upstream
    this.#conditions = conditions
    this.#pass(client, upstream)
    this.#pass(upstream, client)
    client.resume()
  }

  /** When both sides are: in a blackhole the server does not hear that its client has gone. */
  whenOver(tell: () => void): void {
    const look = (): void => {
      if (this.#client.closed && this.#upstream.closed) tell()
    }
    this.#client.once('close', look)
    this.#upstream.once('close', look)
  }

  reset(): void {
    this.#held = []
    reset(this.#client)
    reset(this.#upstream)
  }

  release(): void {
    const held = this.#held
    this.#held = []
    for (const pass of held) pass()
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (data: Buffer) => this.#through(() => to.write(data)))
    from.on('end', () => this.#through(() => to.end()))
    from.on('close', () => this.#through(() => to.destroy()))
    from.on('error', () => this.#through(() => reset(to)))
  }

  #through(pass: () => void): void {
    const delayMs = this.#conditions.delayMs()
    if (!this.#conditions.isOpen()) this.#held.push(pass)
    else if (delayMs > 0) setTimeout(pass, delayMs)
    else pass()
  }
}

/** A socket that is ending is not reset: Node 20 never closes its handle then, and hangs at its own exit. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
