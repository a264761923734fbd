import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { GatedAgent } from './gate.js'

let server: Server
const seen: string[] = []

beforeEach(async () => {
  seen.length = 0
  server = createServer((incoming, response) => {
    seen.push(incoming.method ?? '')
    response.end('ok')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function send(method: string, agent: GatedAgent): Promise<number | undefined> {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const sending = request({ host: '127.0.0.1', port, method, agent })
  sending.end()
  const [response] = await once(sending, 'response')
  response.resume()
  return response.statusCode
}

it('holds a POST at an open connection, its first byte unsent, until the gate opens', async () => {
  let arrived: (count: number) => void = () => undefined
  const arrival = new Promise<number>((resolve) => {
    arrived = resolve
  })
  const agent = new GatedAgent(true, (waiting) => arrived(waiting))
  const connected = once(server, 'connection')
  const posting = send('POST', agent)
  await connected
  expect(await arrival).toBe(1)
  expect(seen).toEqual([])
  agent.open()
  expect(await posting).toBe(200)
  expect(seen).toEqual(['POST'])
})

it('lets questions pass a closed gate', async () => {
  expect(await send('GET', new GatedAgent(true, () => undefined))).toBe(200)
})

it('lets everything pass once it is open', async () => {
  const agent = new GatedAgent(true, () => undefined)
  agent.open()
  expect(await send('POST', agent)).toBe(200)
})

it('passes a failure to connect on', async () => {
  const agent = new GatedAgent(true, () => undefined)
  const unused = createServer().listen(0, '127.0.0.1')
  await once(unused, 'listening')
  const address = unused.address()
  unused.close()
  await once(unused, 'close')
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const sending = request({ host: '127.0.0.1', port, method: 'POST', agent })
  sending.end()
  const [error] = await once(sending, 'error')
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
})
