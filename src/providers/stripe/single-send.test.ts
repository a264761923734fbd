import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createServer, type Socket } from 'node:net'
import Stripe from 'stripe'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ConfigurationError } from '../../protocol/index.js'
import { type Gateway, startGateway } from '../../testing/gateway/index.js'
import { SendFailed } from './http.js'
import { stripePaymentIntents } from './index.js'
import { SingleSendClient } from './single-send.js'
import { callFor, errorOf, order, serverThat, stripeFor, toParams } from './stripe.fixture.js'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway.reset())
afterAll(() => gateway.close())

const CREATE = { route: 'payment_intents.create' }

/** Every way in which a user may have made their client, each at its most eager to send again. */
const clients: Record<string, () => Stripe | ((config: object) => Stripe)> = {
  'a plain client': () => stripeFor(gateway, { maxNetworkRetries: 5 }),
  'a client with an agent of its own': () =>
    stripeFor(gateway, { maxNetworkRetries: 5, httpAgent: new http.Agent({ keepAlive: true }) }),
  "a client with the SDK's node client": () =>
    stripeFor(gateway, { maxNetworkRetries: 5, httpClient: Stripe.createNodeHttpClient() }),
  "a client with the SDK's fetch client": () =>
    stripeFor(gateway, { maxNetworkRetries: 5, httpClient: Stripe.createFetchHttpClient() }),
  'a function that makes the client': () => (config) => stripeFor(gateway, { ...config }),
}

describe.each(Object.entries(clients))('one attempt is one send, with %s', (_name, client) => {
  it('when it succeeds', async () => {
    await stripePaymentIntents(client(), toParams).execute(order('o1'), callFor('o1'))
    expect(gateway.requests.count()).toBe(1)
  })

  it('when the connection is reset', async () => {
    gateway.fault({ fault: { kind: 'refuse_connection' } })
    const error = await errorOf(stripePaymentIntents(client(), toParams).execute(order('o1'), callFor('o1')))
    expect(error).toMatchObject({ name: 'OutcomeUnknown', keySpent: false })
    expect(gateway.requests.all()).toMatchObject([{ ...CREATE, outcome: 'dropped' }])
  })

  it('when the response is lost after the charge was made', async () => {
    gateway.fault({ fault: { kind: 'lose_response_after_commit' } })
    const error = await errorOf(stripePaymentIntents(client(), toParams).execute(order('o1'), callFor('o1')))
    expect(error).toMatchObject({ name: 'OutcomeUnknown' })
    expect(gateway.requests.all()).toMatchObject([{ ...CREATE, executed: true, outcome: 'dropped' }])
  })

  it('when the service fails', async () => {
    gateway.fault({ fault: { kind: '500_before_commit' } })
    const error = await errorOf(stripePaymentIntents(client(), toParams).execute(order('o1'), callFor('o1')))
    expect(error).toMatchObject({ name: 'OutcomeUnknown' })
    expect(gateway.requests.count()).toBe(1)
  })

  it('when the service limits the rate', async () => {
    gateway.fault({ fault: { kind: 'rate_limit', retryAfterSeconds: 3 } })
    const error = await errorOf(stripePaymentIntents(client(), toParams).execute(order('o1'), callFor('o1')))
    expect(error).toMatchObject({ name: 'NotExecuted', retryAfterMs: 3000 })
    expect(gateway.requests.count()).toBe(1)
  })

  it('when the service hangs: at the deadline the connection is gone', async () => {
    gateway.fault({ fault: { kind: 'hang' } })
    const call = callFor('o1', { timeoutMs: 200 })
    const error = await errorOf(stripePaymentIntents(client(), toParams).execute(order('o1'), call))
    expect(error).toMatchObject({ name: 'OutcomeUnknown', keySpent: false })
    expect(await gateway.requests.until('finished', CREATE)).toMatchObject({ outcome: 'abandoned' })
    expect(gateway.requests.count()).toBe(1)
  })
})

describe('the trap that this is for', () => {
  it('is there: the SDK alone sends twice on a closed connection, though told not to send again', async () => {
    gateway.fault({ fault: { kind: 'lose_response_after_commit' }, times: 1 })
    await stripeFor(gateway, { maxNetworkRetries: 0 }).paymentIntents.create({ amount: 1, currency: 'eur' })
    expect(gateway.requests.count(CREATE)).toBe(2)
  })
})

describe('a closed connection', () => {
  it('is told to the SDK under a name on which it does not send again, so that its cause is not lost in a refusal', async () => {
    gateway.fault({ fault: { kind: 'refuse_connection' } })
    const error = await errorOf(stripePaymentIntents(stripeFor(gateway), toParams).execute(order('o1'), callFor('o1')))
    expect(error).toMatchObject({
      reason: { code: 'CONNECTION_CLOSED' },
      cause: { detail: { cause: { code: 'ECONNRESET', syscall: 'read' } } },
    })
  })
})

describe('whatever the SDK tries', () => {
  function client() {
    let sends = 0
    const single = new SingleSendClient({
      name: 'counting',
      send: () => {
        sends += 1
        return Promise.reject(new SendFailed('No.', true))
      },
    })
    const request = (headers: Record<string, string>) =>
      single.makeRequest('stripe.invalid', '443', '/v1/payment_intents', 'POST', headers, '', 'https', 1000)
    return { single, request, sends: () => sends }
  }

  it('a second send under one permit is refused, and is no proof that the first did nothing', async () => {
    const { single, request, sends } = client()
    const { options } = single.open(callFor('o1'))
    await expect(request(options.headers)).rejects.toMatchObject({ written: true })
    await expect(request(options.headers)).rejects.toMatchObject({ written: true })
    expect(sends()).toBe(1)
  })

  it('a request without a permit, or under one that has ended, is refused', async () => {
    const { single, request, sends } = client()
    const sending = single.open(callFor('o1'))
    sending.end()
    await expect(request(sending.options.headers)).rejects.toMatchObject({ written: false })
    await expect(request({})).rejects.toMatchObject({ written: false })
    expect(sends()).toBe(0)
  })
})

describe('nothing is sent after the deadline', () => {
  it('when it has passed before the call', async () => {
    const abort = new AbortController()
    abort.abort()
    const call = callFor('o1', { signal: abort.signal })
    expect(await errorOf(stripePaymentIntents(stripeFor(gateway), toParams).execute(order('o1'), call))).toMatchObject({
      name: 'NotExecuted',
      reason: { code: 'deadline_before_send' },
    })
    expect(gateway.requests.count()).toBe(0)
  })

  it('when no time is left, though nobody has aborted yet', async () => {
    const call = callFor('o1', { remainingMs: () => 0 })
    expect(await errorOf(stripePaymentIntents(stripeFor(gateway), toParams).execute(order('o1'), call))).toMatchObject({
      name: 'NotExecuted',
    })
    expect(gateway.requests.count()).toBe(0)
  })

  it("while the user's authenticator takes its time", async () => {
    let release = (): void => undefined
    const authenticated = new Promise<void>((resolve) => {
      release = resolve
    })
    const authenticator = async (request: { headers: Record<string, unknown> }): Promise<void> => {
      await authenticated
      request.headers.Authorization = 'Bearer sk_test_shop'
    }
    const stripe = new Stripe('', { host: gateway.host, port: gateway.port, protocol: 'http', authenticator })
    const provider = stripePaymentIntents(stripe, toParams)
    const error = await errorOf(provider.execute(order('o1'), callFor('o1', { timeoutMs: 50 })))
    expect(error).toMatchObject({ name: 'NotExecuted', reason: { code: 'deadline_before_send' } })

    release()
    await provider.execute(order('o2'), callFor('o2'))
    expect(gateway.requests.all()).toMatchObject([{ businessKey: 'o2' }])
  })

  it('while the request waits for a free socket of its agent', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const provider = stripePaymentIntents(stripeFor(gateway, { httpAgent: agent }), toParams)
    gateway.fault({ fault: { kind: 'delay', beforeCommitMs: 300 }, businessKey: 'slow' })
    const slow = provider.execute(order('slow'), callFor('slow'))
    await gateway.requests.until('received', { method: 'POST' })
    // The deadline of this one passes in the queue behind the slow one.
    const error = await errorOf(provider.execute(order('late'), callFor('late', { timeoutMs: 50 })))
    expect(error).toMatchObject({ name: 'NotExecuted' })

    await slow
    await provider.execute(order('next'), callFor('next'))
    expect(gateway.requests.all().map((request) => request.businessKey)).toEqual(['slow', 'next'])
  })

  it('when the connection comes to stand too late', async () => {
    const call = callFor('o1')
    let asked = 0
    // Time for every question before the connection stands, and none at the last, immediately before the first byte.
    const remainingMs = (): number => (++asked < 3 ? 10_000 : 0)
    const provider = stripePaymentIntents(stripeFor(gateway), toParams)
    expect(await errorOf(provider.execute(order('o1'), { ...call, remainingMs }))).toMatchObject({
      name: 'NotExecuted',
    })
    expect(asked).toBe(3)
    expect(gateway.requests.count()).toBe(0)
  })
})

describe('the deadline ends a call', () => {
  it('whose response comes in drops: the time between two bytes is not the time that the call may take', async () => {
    const drops = await serverThat((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => response.write(' '), 20)
      response.once('close', () => clearInterval(drip))
    })
    const provider = stripePaymentIntents(stripeFor(drops), toParams)
    const error = await errorOf(provider.execute(order('o1'), callFor('o1', { timeoutMs: 200 })))
    expect(error).toMatchObject({ name: 'OutcomeUnknown', reason: { code: 'timeout' } })
    await drops.close()
  })

  it('whose body is cut short, and it is in doubt', async () => {
    const cuts = await serverThat((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
      response.write('{"id":', () => response.destroy())
    })
    const provider = stripePaymentIntents(stripeFor(cuts), toParams)
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({ name: 'OutcomeUnknown' })
    await cuts.close()
  })
})

describe('where no connection ever stood, nothing was executed', () => {
  it('because the port refuses', async () => {
    const gone = await serverThat(() => undefined)
    await gone.close()
    const provider = stripePaymentIntents(stripeFor(gone), toParams)
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({
      name: 'NotExecuted',
      reason: { code: 'ECONNREFUSED' },
    })
  })

  it('because the name does not exist', async () => {
    const provider = stripePaymentIntents(stripeFor({ host: 'stripe.invalid', port: 443 }), toParams)
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({ name: 'NotExecuted' })
  })

  it('because the TLS handshake fails', async () => {
    const plain = createServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('no TLS here\r\n'),
    )
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const address = plain.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const provider = stripePaymentIntents(stripeFor({ host: '127.0.0.1', port }, { protocol: 'https' }), toParams)
    expect(await errorOf(provider.execute(order('o1'), callFor('o1')))).toMatchObject({ name: 'NotExecuted' })
    await new Promise((resolve) => plain.close(resolve))
  })

  it('because it did not come to stand by the deadline', async () => {
    const connections: Socket[] = []
    const silent = createServer((socket) => connections.push(socket.resume()))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const provider = stripePaymentIntents(stripeFor({ host: '127.0.0.1', port }, { protocol: 'https' }), toParams)
    const error = await errorOf(provider.execute(order('o1'), callFor('o1', { timeoutMs: 200 })))
    expect(error).toMatchObject({ name: 'NotExecuted', reason: { code: 'deadline_before_send' } })
    for (const socket of connections) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
  })
})

describe("the user's client", () => {
  it('is left as it is', async () => {
    const stripe = stripeFor(gateway, { maxNetworkRetries: 2 })
    const before = stripe.getApiField('httpClient')
    await stripePaymentIntents(stripe, toParams).execute(order('o1'), callFor('o1'))
    expect(stripe.getApiField('httpClient')).toBe(before)
    expect(stripe.getMaxNetworkRetries()).toBe(2)
  })

  it('lends its account, version and listeners', async () => {
    const heard: unknown[] = []
    const stripe = stripeFor(gateway, { stripeAccount: 'acct_branch' })
    stripe.on('request', (event: unknown) => heard.push(event))
    const receipt = await stripePaymentIntents(stripe, toParams).execute(order('o1'), callFor('o1'))
    expect(heard).toMatchObject([{ method: 'POST', path: '/v1/payment_intents', account: 'acct_branch' }])
    await expect(stripe.paymentIntents.retrieve(receipt.id)).resolves.toMatchObject({ id: receipt.id })
    await expect(stripeFor(gateway).paymentIntents.retrieve(receipt.id)).rejects.toMatchObject({ statusCode: 404 })
  })

  it('that is none of the SDK is refused with what to write instead', () => {
    const fake = { paymentIntents: { create: () => Promise.resolve({}) } } as unknown as Stripe
    expect(() => stripePaymentIntents(fake, toParams)).toThrow(ConfigurationError)
    expect(() => stripePaymentIntents(fake, toParams)).toThrow('(config) => new Stripe(key, { ...config })')
  })

  it('of a version that is refused is none that package.json asks for', () => {
    const peersIn = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))
    const manifest = { peerDependencies: { stripe: '>=20' } }
    expect(peersIn('package.json')).toMatchObject(manifest)
    expect(peersIn('package-lock.json')).toMatchObject({ packages: { '': manifest } })
    const fake = {} as unknown as Stripe
    expect(() => stripePaymentIntents(fake, toParams)).toThrow('which works from version 20:')
  })

  it('made by a function that forgets our options is refused', () => {
    expect(() => stripePaymentIntents(() => stripeFor(gateway), toParams)).toThrow(ConfigurationError)
  })
})
