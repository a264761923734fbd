import { Agent, type ClientRequestArgs } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

type Connected = (error: Error | null, stream: Duplex) => void

/**
 * An HTTP agent with a gate: while it is closed, whatever would change something at the gateway (a POST) gets as far
 * as an open connection and stands there, its first byte unsent. That is where a worker is frozen: it has looked, it
 * has locked, it has decided to send.
 */
export class GatedAgent extends Agent {
  readonly #onArrival: (waiting: number) => void
  #waiting: (() => void)[] | null

  constructor(closed: boolean, onArrival: (waiting: number) => void) {
    // A kept connection would lead around the gate.
    super({ keepAlive: !closed })
    this.#onArrival = onArrival
    this.#waiting = closed ? [] : null
  }

  /** Lets everything pass, from now on too. */
  open(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    for (const pass of waiting) pass()
  }

  override createConnection(options: ClientRequestArgs, callback: Connected = () => undefined): Duplex | undefined {
    const socket = connect({ host: options.host ?? 'localhost', port: Number(options.port), noDelay: true })
    if (options.method !== 'POST' || this.#waiting === null) return socket
    this.#arriveAtGate(socket, callback)
    return undefined
  }

  #arriveAtGate(socket: Socket, callback: Connected): void {
    const onError = (error: Error): void => callback(error, socket)
    socket.once('error', onError)
    socket.once('connect', () => {
      const pass = (): void => {
        socket.off('error', onError)
        callback(null, socket)
      }
      if (this.#waiting === null) return pass()
      this.#waiting.push(pass)
      this.#onArrival(this.#waiting.length)
    })
  }
}
