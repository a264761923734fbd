import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Gate, type Treatment } from './gate.js'
import { Watch } from './watch.js'

/** A proxy before a server that answers so. */
async function gateBefore(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  path = '',
): Promise<Gate> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const gate = new Gate(new URL(`http://127.0.0.1:${port}${path}`), new Watch(), ({ method }) => method === 'POST')
  await gate.accept()
  onTestFinished(async () => {
    await gate.refuse()
    server.closeAllConnections()
    server.close()
  })
  return gate
}

const once = (gate: Gate, treatment: Treatment): void => {
  gate.rule = ({ method }) => (method === 'POST' ? treatment : { kind: 'pass' })
}

/** Answers with what came. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    response.writeHead(201, {
      'x-path': request.url ?? '',
      'x-host': request.headers.host ?? '',
      'set-cookie': ['a=1', 'b=2'],
    })
    response.end(Buffer.concat(chunks))
  })
}

describe('the proxy before the fake', () => {
  it('hands on what it does not break as it is: bytes, status, headers, address', async () => {
    const gate = await gateBefore(echo, '/api/')
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const response = await fetch(`${gate.url}/things?a=%20b`, { method: 'POST', body: bytes })
    expect(response.status).toBe(201)
    expect(response.headers.get('x-path')).toBe('/api/things?a=%20b')
    expect(response.headers.get('x-host')).not.toContain(String(gate.port))
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes)
  })

  it('hands on answers without a body, and those that come in pieces', async () => {
    const gate = await gateBefore((request, response) => {
      request.resume()
      if (request.method === 'HEAD') response.writeHead(200, { 'content-length': 7 }).end()
      else if (request.url === '/none') response.writeHead(204).end()
      else {
        response.write('one ')
        response.end('two')
      }
    })
    expect((await fetch(gate.url, { method: 'HEAD' })).headers.get('content-length')).toBe('7')
    expect((await fetch(`${gate.url}/none`)).status).toBe(204)
    expect(await (await fetch(gate.url)).text()).toBe('one two')
  })

  it('reads packed bodies for its record, and hands them on packed', async () => {
    const gate = await gateBefore(echo)
    const body = gzipSync('reference=c123')
    const response = await fetch(gate.url, { method: 'POST', body, headers: { 'content-encoding': 'gzip' } })
    expect(gunzipSync(Buffer.from(await response.arrayBuffer())).toString()).toBe('reference=c123')
    expect(gate.requests[0]).toMatchObject({ method: 'POST', effectful: true, body: 'reference=c123' })
  })

  it('loses an answer after the fake has given it', async () => {
    const gate = await gateBefore(echo)
    once(gate, { kind: 'lose_response' })
    await expect(fetch(gate.url, { method: 'POST', body: 'x' })).rejects.toThrow('fetch failed')
    expect(gate.requests[0]?.answer).toEqual({ status: 201, body: 'x' })
  })

  it('breaks an answer off in the middle', async () => {
    const gate = await gateBefore(echo)
    once(gate, { kind: 'truncate' })
    const response = await fetch(gate.url, { method: 'POST', body: '{"id":"one"}' })
    expect(response.status).toBe(201)
    await expect(response.text()).rejects.toThrow()
    expect(gate.requests[0]?.answer?.body).toBe('{"id":"one"}')
  })

  it('cuts a connection before the fake has anything', async () => {
    const gate = await gateBefore(echo)
    once(gate, { kind: 'reset' })
    await expect(fetch(gate.url, { method: 'POST', body: 'x' })).rejects.toThrow('fetch failed')
    expect(gate.requests[0]?.answer).toBeNull()
  })

  it('holds a request beyond the end of its client, and then hands it on', async () => {
    const gate = await gateBefore(echo)
    let release = (): void => undefined
    once(gate, { kind: 'hold', until: new Promise((resolve) => (release = () => resolve())) })
    const over = new AbortController()
    const sent = fetch(gate.url, { method: 'POST', body: 'late', signal: over.signal }).catch(() => 'given up')
    const held = await gate.until(({ effectful }) => effectful)
    over.abort()
    expect(await sent).toBe('given up')
    await gate.until(({ clientGone }) => clientGone)
    expect(held.answer).toBeNull()
    release()
    expect((await gate.until(({ answer }) => answer !== null)).answer?.body).toBe('late')
  })

  it('refuses connections, and accepts them again on the same port', async () => {
    const gate = await gateBefore(echo)
    const { url } = gate
    await gate.refuse()
    await expect(fetch(url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    await gate.accept()
    expect(gate.url).toBe(url)
    expect((await fetch(url)).status).toBe(201)
  })
})
