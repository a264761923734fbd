import { once } from 'node:events'
import { createServer } from 'node:net'
import { realRandomness } from '../system/index.js'

/**
 * Below the ranges from which systems draw the ports of outgoing connections (Linux 32768, others 49152): nobody takes
 * the port by chance while the server is down between a stop and a start.
 */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000

/** A port of 127.0.0.1 that was free a moment ago. The caller starts again with another when it was taken since. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(realRandomness.next() * (LAST_PORT - FIRST_PORT))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    if (server.listening) {
      server.close()
      await once(server, 'close')
    }
  }
}
