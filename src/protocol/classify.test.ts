import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { classifyError, isConnectionFailure, NotExecuted, OutcomeUnknown, Rejected, reasonOfError } from './index.js'

const open: { close(): unknown }[] = []
const sockets = new Set<net.Socket>()

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of open.splice(0)) server.close()
  sockets.clear()
})

/** A server on a free port of this machine; what its connections do is up to `serve`. */
async function listen<Server extends net.Server>(server: Server): Promise<number> {
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(server)
  return (server.address() as AddressInfo).port
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => {
      throw new Error('the call succeeded')
    },
    (error: unknown) => error,
  )
}

interface Options {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** One POST by each client that a provider may use; each rejects with that client's own error. */
const CLIENTS: Readonly<Record<string, (url: string, options?: Options) => Promise<unknown>>> = {
  fetch: async (url, { signal } = {}) => {
    const response = await fetch(url, { method: 'POST', body: 'charge', ...(signal === undefined ? {} : { signal }) })
    return response.text()
  },
  'node:http': (url, { signal, timeoutMs } = {}) =>
    new Promise((resolve, reject) => {
      const { request } = url.startsWith('https:') ? https : http
      const sent = request(url, { method: 'POST', ...(signal === undefined ? {} : { signal }) }, (response) => {
        response.on('error', reject).on('end', resolve).resume()
      })
      if (timeoutMs !== undefined) sent.setTimeout(timeoutMs, () => sent.destroy())
      sent.on('error', reject).end('charge')
    }),
}

describe.each(Object.entries(CLIENTS))('what an error of %s proves', (client, post) => {
  it('connection refused: not executed', async () => {
    const error = await errorOf(post(`http://127.0.0.1:${await freePort()}/`))
    expect(classifyError(error)).toMatchObject({ kind: 'not_executed', reason: { code: 'ECONNREFUSED' } })
    expect(isConnectionFailure(error)).toBe(true)
  })

  it('refused at every address of a name: not executed', async () => {
    const error = await errorOf(post(`http://localhost:${await freePort()}/`))
    const outcome = classifyError(error)
    expect(outcome).toMatchObject({ kind: 'not_executed', reason: { code: 'ECONNREFUSED' } })
    expect(outcome.reason.message).toMatch(/connect ECONNREFUSED/)
  })

  it('a name that does not exist: not executed', async () => {
    const error = await errorOf(post('http://no-such-host.invalid/'))
    expect(classifyError(error).kind).toBe('not_executed')
    expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(classifyError(error).reason.code)
  })

  it('a certificate that is not trusted: not executed, and no request got through', async () => {
    let requests = 0
    const server = https.createServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, () => requests++)
    const closed = once(server, 'tlsClientError').catch(() => undefined)
    const error = await errorOf(post(`https://127.0.0.1:${await listen(server)}/`))
    expect(classifyError(error)).toMatchObject({
      kind: 'not_executed',
      reason: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    })
    await Promise.race([closed, ...[...sockets].map((socket) => once(socket, 'close'))])
    expect(requests).toBe(0)
  })

  it('reset after the request was read: unknown', async () => {
    const port = await listen(net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy())))
    const outcome = classifyError(await errorOf(post(`http://127.0.0.1:${port}/`)))
    expect(outcome).toMatchObject({ kind: 'unknown', keySpent: false, reason: { message: expect.stringMatching(/./) } })
  })

  it('closed without an answer: unknown', async () => {
    const port = await listen(net.createServer((socket) => socket.once('data', () => socket.end())))
    expect(classifyError(await errorOf(post(`http://127.0.0.1:${port}/`))).kind).toBe('unknown')
  })

  it('closed in the middle of an answer: unknown', async () => {
    const half = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'
    const port = await listen(net.createServer((socket) => socket.once('data', () => socket.end(half))))
    expect(classifyError(await errorOf(post(`http://127.0.0.1:${port}/`))).kind).toBe('unknown')
  })

  it('an answer that is no HTTP: unknown', async () => {
    const port = await listen(net.createServer((socket) => socket.once('data', () => socket.end('220 smtp ready\r\n'))))
    expect(classifyError(await errorOf(post(`http://127.0.0.1:${port}/`))).kind).toBe('unknown')
  })

  it('given up while waiting for an answer: unknown', async () => {
    const abort = new AbortController()
    const port = await listen(net.createServer((socket) => socket.once('data', () => abort.abort())))
    expect(classifyError(await errorOf(post(`http://127.0.0.1:${port}/`, { signal: abort.signal }))).kind).toBe(
      'unknown',
    )
  })

  it('timed out while waiting for an answer: unknown', async () => {
    const port = await listen(net.createServer())
    const options = { signal: AbortSignal.timeout(50), timeoutMs: 50 }
    expect(classifyError(await errorOf(post(`http://127.0.0.1:${port}/`, options))).kind).toBe('unknown')
  })

  it('TLS to a port that speaks none: unknown, since the same error may come after a request was read', async () => {
    const port = await listen(http.createServer())
    expect(classifyError(await errorOf(post(`https://127.0.0.1:${port}/`))).kind).toBe('unknown')
  })

  it('reset in the handshake: unknown, since it looks like any other reset', async () => {
    const port = await listen(net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy())))
    expect(classifyError(await errorOf(post(`https://127.0.0.1:${port}/`))).kind).toBe('unknown')
  })

  it(`a URL that ${client} cannot parse is harmless only where the error is surely of the call`, async () => {
    const error = await errorOf(Promise.resolve().then(() => post('not a url')))
    expect(classifyError(error).kind).toBe(client === 'fetch' ? 'not_executed' : 'unknown')
  })
})

describe('TLS errors', () => {
  it('a wrong version number also comes after the service has read the request', async () => {
    let received = ''
    const service = tls.createServer({ key: TEST_KEY, cert: TEST_CERTIFICATE })
    const servicePort = await listen(service)
    const towards: net.Socket[] = []
    const between = await listen(
      net.createServer((near) => {
        const far = net.connect(servicePort, '127.0.0.1')
        far.on('error', () => undefined).on('data', (bytes) => near.write(bytes))
        near.on('data', (bytes) => far.write(bytes))
        towards.push(near)
      }),
    )
    service.on('secureConnection', (socket: tls.TLSSocket) => {
      socket
        .on('error', () => undefined)
        .once('data', (bytes) => {
          received = bytes.toString()
          towards[0]?.write('HTTP/1.1 502 Bad Gateway\r\n\r\n')
        })
    })
    const client = tls.connect({
      port: between,
      host: '127.0.0.1',
      ca: TEST_CERTIFICATE,
      servername: 'self-signed.test',
      checkServerIdentity: () => undefined,
    })
    client.write('POST / HTTP/1.1\r\n\r\ncharge')
    const [error] = await once(client, 'error')
    client.on('error', () => undefined).destroy()
    expect(received).toContain('charge')
    expect(error).toMatchObject({ code: 'ERR_SSL_WRONG_VERSION_NUMBER' })
    expect(classifyError(error).kind).toBe('unknown')
  })
})

function coded(message: string, members: object, options?: ErrorOptions): Error {
  return Object.assign(new Error(message, options), members)
}

describe('classifyError', () => {
  it.each([
    ['read EHOSTUNREACH', { code: 'EHOSTUNREACH', syscall: 'read' }],
    ['read ENETUNREACH', { code: 'ENETUNREACH', syscall: 'read' }],
    ['read ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'read' }],
    ['read ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'read' }],
    ['write EPIPE', { code: 'EPIPE', syscall: 'write' }],
    ['socket hang up', { code: 'ECONNRESET' }],
    ['Headers Timeout Error', { code: 'UND_ERR_HEADERS_TIMEOUT' }],
    ['Body Timeout Error', { code: 'UND_ERR_BODY_TIMEOUT' }],
  ])('%s says nothing about a connection that stood: unknown', (message, members) => {
    expect(classifyError(coded(message, members)).kind).toBe('unknown')
    expect(classifyError(coded('wrapped', {}, { cause: coded(message, members) })).kind).toBe('unknown')
  })

  it.each([
    ['connect ECONNRESET', { code: 'ECONNRESET', syscall: 'connect' }],
    ['connect ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'connect' }],
    ['connect EHOSTUNREACH', { code: 'EHOSTUNREACH', syscall: 'connect' }],
    ['connect ENETUNREACH', { code: 'ENETUNREACH', syscall: 'connect' }],
    ['connect EADDRNOTAVAIL', { code: 'EADDRNOTAVAIL', syscall: 'connect' }],
    ['getaddrinfo EAI_AGAIN', { code: 'EAI_AGAIN', syscall: 'getaddrinfo' }],
    ['Connect Timeout Error', { code: 'UND_ERR_CONNECT_TIMEOUT' }],
  ])('%s proves that no connection stood, however deeply it is wrapped', (message, members) => {
    let error: unknown = coded(message, members)
    for (let depth = 0; depth < 5; depth++) {
      expect(classifyError(error)).toMatchObject({ kind: 'not_executed', reason: { code: members.code, message } })
      error = new Error('wrapped', { cause: error })
    }
  })

  it('needs every address to have failed before a connection', () => {
    const refused = coded('connect ECONNREFUSED ::1:1', { code: 'ECONNREFUSED', syscall: 'connect' })
    const reset = coded('read ECONNRESET', { code: 'ECONNRESET', syscall: 'read' })
    const both = Object.assign(new AggregateError([refused, refused], ''), { code: 'ECONNREFUSED' })
    expect(classifyError(both)).toMatchObject({ kind: 'not_executed', reason: { message: refused.message } })
    const mixed = Object.assign(new AggregateError([refused, reset], ''), { code: 'ECONNREFUSED' })
    expect(classifyError(mixed).kind).toBe('unknown')
    expect(classifyError(new AggregateError([])).kind).toBe('unknown')
  })

  it('believes what a provider says over what its error was caused by', () => {
    const cause = coded('connect ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' })
    expect(classifyError(new OutcomeUnknown('odd', 'It is odd', { cause, keySpent: true }))).toEqual({
      kind: 'unknown',
      reason: { code: 'odd', message: 'It is odd' },
      keySpent: true,
      retryAfterMs: null,
      serviceWell: false,
    })
    expect(classifyError(new Rejected('declined', 'No', { detail: { a: 1 }, settlesDoubt: true }))).toEqual({
      kind: 'rejected',
      reason: { code: 'declined', message: 'No', detail: { a: 1 } },
      settlesDoubt: true,
    })
    expect(classifyError(new NotExecuted('busy', 'Later', { retryAfterMs: 5 }))).toEqual({
      kind: 'not_executed',
      reason: { code: 'busy', message: 'Later' },
      retryAfterMs: 5,
      notNow: true,
    })
  })

  it('says unknown of a bug, a bare text, nothing, and what cannot even be looked at', () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const hostile = {
      get code() {
        throw new Error('no')
      },
    }
    const cyclic = new Error('round')
    cyclic.cause = cyclic
    const things = [new TypeError('x is not a function'), 'text', 7n, Symbol('s'), null, undefined, {}, () => 1]
    for (const thrown of [...things, Object.create(null), revoked.proxy, hostile, cyclic, { message: {} }]) {
      const outcome = classifyError(thrown)
      expect(outcome).toMatchObject({ kind: 'unknown', keySpent: false })
      expect(outcome.reason.code).toMatch(/./)
      expect(outcome.reason.message).toMatch(/./)
    }
  })
})

describe('a reason', () => {
  it('can always be stored', () => {
    expect(reasonOfError(coded('a\u0000b\ud83d', { code: 'x\u0000' }))).toEqual({
      code: 'x\ufffd',
      message: 'a\ufffdb\ufffd',
    })
    const rejected = new Rejected('no\u0000', 'n\ud83do', { detail: { a: '\u0000' } })
    expect(rejected.reason).toEqual({ code: 'no\ufffd', message: 'n\ufffdo', detail: { a: '\ufffd' } })
    expect(reasonOfError(rejected)).toBe(rejected.reason)
  })

  it('has no Retry-After that makes no sense', () => {
    for (const retryAfterMs of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(new NotExecuted('busy', 'Later', { retryAfterMs }).retryAfterMs).toBeNull()
    }
    expect(new NotExecuted('busy', 'Later', { retryAfterMs: 0 }).retryAfterMs).toBe(0)
  })
})

/** Made for this test and used nowhere else: nobody trusts it. */
const TEST_KEY = [
  '-----BEGIN PRIVATE KEY-----',
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOTKkqtSlI4j1pszF',
  'Ux85uYJPmZhTnGsMxbbonHvfQeOhRANCAARyQD0IOun7c97F7Yho0F/ZwE2IoPxV',
  'RtEMtJsYR1e9Gki2lObENRQmGbZD3n4VSHm4ls4J95u+sbnjwlwugVF1',
  '-----END PRIVATE KEY-----',
].join('\n')
const TEST_CERTIFICATE = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBizCCATKgAwIBAgITULYpAFHDHUstvMQrFN/XUXABfDAKBggqhkjOPQQDAjAb',
  'MRkwFwYDVQQDDBBzZWxmLXNpZ25lZC50ZXN0MCAXDTI2MTEyNDE5MTIyMloYDzIx',
  'MjYxMDMxMTkxMjIyWjAbMRkwFwYDVQQDDBBzZWxmLXNpZ25lZC50ZXN0MFkwEwYH',
  'KoZIzj0CAQYIKoZIzj0DAQcDQgAEckA9CDrp+3Pexe2IaNBf2cBNiKD8VUbRDLSb',
  'GEdXvRpItpTmxDUUJhm2Q95+FUh5uJbOCfebvrG548JcLoFRdaNTMFEwHQYDVR0O',
  'BBYEFC6JZiTMPW85MLlE0Qvnap168nQFMB8GA1UdIwQYMBaAFC6JZiTMPW85MLlE',
  '0Qvnap168nQFMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgfqz+',
  'CXO6pXLKVaUp/sp/MAb5X3ITGLPdXjqgvngaY9ACIFrMkKgv+A+n3P8vrGrP5CSD',
  'Req0HQFpvgYn/3jZKAvg',
  '-----END CERTIFICATE-----',
].join('\n')
