import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A proxy before a server, by which a test breaks the connections of one client alone. */
export interface TcpProxy {
  readonly port: number
  /** Resets every connection; new ones are let through. */
  cut(): void
  /** From now on, what the server says is lost; what the client says arrives. */
  loseAnswers(): void
  /** Resets every connection, and lets answers through again. */
  mend(): void
  /** Resolves when the client has said something that the server then was told. */
  heard(): Promise<void>
  close(): Promise<void>
}

/** Starts a proxy on a free port before the server that `url` names. */
export async function startTcpProxy(url: string): Promise<TcpProxy> {
  const { hostname, port: target } = new URL(url)
  const sockets = new Set<Socket>()
  let answersAreLost = false
  let tell: () => void = () => undefined
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(target), noDelay: true })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (data) => {
      upstream.write(data)
      tell()
    })
    upstream.on('data', (data) => {
      if (!answersAreLost) client.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')
  const cut = (): void => {
    for (const socket of [...sockets]) {
      // One that is ending is not reset: Node 20 never closes its handle then, and hangs at its own exit.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }
  return {
    port: address.port,
    cut,
    loseAnswers: () => {
      answersAreLost = true
    },
    mend: () => {
      answersAreLost = false
      cut()
    },
    heard: () =>
      new Promise((resolve) => {
        tell = resolve
      }),
    close: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
