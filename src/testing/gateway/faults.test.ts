import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { gatewayAndStripe, heldClock, payment, stripeErrorOf } from './gateway.fixture.js'
import { type FaultRule, type Gateway, startGateway } from './index.js'

/** Sends one request and no more: Node's fetch does not send a POST again. */
function send(gateway: Gateway, orderId: string, options: { signal?: AbortSignal; key?: string } = {}) {
  return fetch(`${gateway.url}/v1/charges`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_1', ...(options.key && { 'idempotency-key': options.key }) },
    body: `amount=100&currency=eur&source=tok_visa&metadata[order_id]=${orderId}`,
    ...(options.signal && { signal: options.signal }),
  })
}

async function causeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error instanceof Error ? error.cause : error
  }
  throw new Error('The call succeeded; it was expected to fail.')
}

describe('faults', () => {
  it('lose_response_after_commit: the money moved, the caller got a cut connection', async () => {
    const { gateway } = await gatewayAndStripe({ faults: [{ fault: { kind: 'lose_response_after_commit' } }] })
    expect(await causeOf(send(gateway, 'o'))).toBeInstanceOf(Error)
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
    expect(gateway.requests.all()).toMatchObject([
      { fault: 'lose_response_after_commit', executed: true, outcome: 'dropped', status: 200 },
    ])
  })

  it('the log shows the hidden second send of the SDK when a response is lost', async () => {
    const { gateway, stripe } = await gatewayAndStripe({
      faults: [{ fault: { kind: 'lose_response_after_commit' }, nth: 1 }],
    })
    await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k', maxNetworkRetries: 0 })
    expect(gateway.requests.all({ idempotencyKey: 'k' })).toMatchObject([
      { executed: true, replayed: false, outcome: 'dropped' },
      { executed: false, replayed: true, outcome: 'answered' },
    ])
  })

  it('commit_after_client_gave_up: nothing has happened when the client gives up, and then it happens', async () => {
    const { gateway, stripe } = await gatewayAndStripe({
      faults: [{ fault: { kind: 'commit_after_client_gave_up', lateMs: 50 } }],
    })
    const abandoned = gateway.requests.until('finished', { businessKey: 'o' })
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), { timeout: 100 }))
    expect(error).toMatchObject({ type: 'StripeConnectionError', detail: { code: 'ETIMEDOUT' } })
    expect(await abandoned).toMatchObject({ outcome: 'abandoned', executed: false, status: null })
    const late = await gateway.requests.until('executed', { businessKey: 'o' })
    expect(late).toMatchObject({ outcome: 'abandoned', executed: true, status: 200 })
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
  })

  it('commit_after_client_gave_up with latestMs commits by then and answers a client that still waits', async () => {
    const { gateway, stripe } = await gatewayAndStripe({
      faults: [{ fault: { kind: 'commit_after_client_gave_up', latestMs: 30 } }],
    })
    expect((await stripe.paymentIntents.create(payment('o'))).status).toBe('succeeded')
    expect(gateway.requests.all()).toMatchObject([{ outcome: 'answered', executed: true }])
  })

  it('while a late commit is pending, its key is in use, and it is the first response afterwards', async () => {
    const clock = heldClock()
    const { gateway } = await gatewayAndStripe({
      clock,
      faults: [{ fault: { kind: 'commit_after_client_gave_up', lateMs: 1 }, nth: 1 }],
    })
    const giveUp = new AbortController()
    const first = causeOf(send(gateway, 'o', { key: 'k', signal: giveUp.signal }))
    await gateway.requests.until('received')
    giveUp.abort()
    await first
    await gateway.requests.until('finished')
    expect((await send(gateway, 'o', { key: 'k' })).status).toBe(409)
    expect(gateway.ledger.all()).toEqual([])
    clock.release()
    await gateway.requests.until('executed')
    const replay = await send(gateway, 'o', { key: 'k' })
    expect([replay.status, replay.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(gateway.ledger.charges('o')).toHaveLength(1)
  })

  it('refuse_connection: a reset, and nothing is executed', async () => {
    const { gateway } = await gatewayAndStripe({ faults: [{ fault: { kind: 'refuse_connection' } }] })
    expect(await causeOf(send(gateway, 'o'))).toMatchObject({ code: 'ECONNRESET' })
    expect(gateway.ledger.all()).toEqual([])
    expect(gateway.requests.all()).toMatchObject([{ executed: false, outcome: 'dropped', status: null }])
  })

  it('refused connections: the port itself refuses, also for idle connections, until it accepts again', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment('before'))
    await gateway.refuseConnections()
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('during')))
    expect(error.detail).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
    const { port } = gateway
    await gateway.acceptConnections()
    expect(gateway.port).toBe(port)
    await stripe.paymentIntents.create(payment('after'))
    expect(gateway.ledger.businessKeys()).toEqual(['before', 'after'])
  })

  it('refused connections let a request that is under way finish', async () => {
    const clock = heldClock()
    const { gateway, stripe } = await gatewayAndStripe({ clock, latencyMs: 1 })
    const call = stripe.paymentIntents.create(payment('o'))
    await gateway.requests.until('received')
    await gateway.refuseConnections()
    clock.release()
    expect((await call).status).toBe('succeeded')
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o')))
    expect(error.detail).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('500_before_commit: a 500, and nothing happened', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind: '500_before_commit' } }] })
    expect(await stripeErrorOf(stripe.paymentIntents.create(payment('o')))).toMatchObject({ statusCode: 500 })
    expect(gateway.ledger.all()).toEqual([])
    expect((await stripe.paymentIntents.list().catch(() => ({ data: [] }))).data).toEqual([])
  })

  it('500_after_commit: a 500, and the money moved', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind: '500_after_commit' } }] })
    expect(await stripeErrorOf(stripe.paymentIntents.create(payment('o')))).toMatchObject({ statusCode: 500 })
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
  })

  it('hang: no answer and no effect, and the key is not in use', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind: 'hang' }, nth: 1 }] })
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), { timeout: 50, idempotencyKey: 'k' }))
    expect(error).toMatchObject({ type: 'StripeConnectionError', detail: { code: 'ETIMEDOUT' } })
    await gateway.requests.until('finished')
    expect(gateway.ledger.all()).toEqual([])
    expect(gateway.requests.all()).toMatchObject([{ fault: 'hang', executed: false, outcome: 'abandoned' }])
    expect((await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })).status).toBe('succeeded')
  })

  it('rate_limit: a 429 with Retry-After, nothing executed and nothing stored under the key', async () => {
    const { gateway, stripe } = await gatewayAndStripe({
      faults: [{ fault: { kind: 'rate_limit', retryAfterSeconds: 7 }, times: 1 }],
    })
    const error = await stripeErrorOf(stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' }))
    expect(error).toMatchObject({ type: 'StripeRateLimitError', statusCode: 429, headers: { 'retry-after': '7' } })
    expect(gateway.ledger.all()).toEqual([])
    expect((await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })).status).toBe('succeeded')
  })

  it('unavailable: a 503, nothing executed and nothing stored under the key; for everybody while it is the outage', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind: 'unavailable' }, times: 1 }] })
    const pay = () => stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })
    expect(await stripeErrorOf(pay())).toMatchObject({ type: 'StripeAPIError', statusCode: 503 })
    gateway.configure({ outage: { kind: 'unavailable' } })
    expect(await stripeErrorOf(pay())).toMatchObject({ statusCode: 503 })
    expect(await stripeErrorOf(stripe.paymentIntents.list())).toMatchObject({ statusCode: 503 })
    expect(gateway.ledger.all()).toEqual([])
    gateway.configure({ outage: null })
    expect((await pay()).status).toBe('succeeded')
    expect(() => gateway.configure({ outage: JSON.parse('{ "kind": "earthquake" }') })).toThrow(/earthquake/)
  })

  it('delay: the commit can be waited for and looked at while the response is still held', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ faults: [{ fault: { kind: 'delay', afterCommitMs: 150 } }] })
    let answered = false
    const call = stripe.paymentIntents.create(payment('o')).then(() => {
      answered = true
    })
    await gateway.requests.until('executed', { businessKey: 'o' })
    expect(gateway.ledger.liveCharges('o')).toHaveLength(1)
    expect(answered).toBe(false)
    await call
  })

  it('latency delays every commit', async () => {
    const { gateway, stripe } = await gatewayAndStripe({ latencyMs: 60 })
    const call = stripe.paymentIntents.create(payment('o'))
    await gateway.requests.until('received')
    expect(gateway.ledger.all()).toEqual([])
    await call
    const [charge] = gateway.ledger.all()
    const [request] = gateway.requests.all()
    expect((charge?.createdMs ?? 0) - (request?.receivedMs ?? 0)).toBeGreaterThanOrEqual(59)
  })

  it('faults strike look-ups too', async () => {
    const { stripe } = await gatewayAndStripe({
      faults: [{ fault: { kind: '500_before_commit' }, route: 'payment_intents.search' }],
    })
    await stripe.paymentIntents.create(payment('o'))
    const error = await stripeErrorOf(stripe.paymentIntents.search({ query: "metadata['order_id']:'o'" }).then())
    expect(error.statusCode).toBe(500)
    expect((await stripe.paymentIntents.list()).data).toHaveLength(1)
  })

  it('closing cuts what hangs, and what is held never takes effect', async () => {
    const gateway = await startGateway({ faults: [{ fault: { kind: 'commit_after_client_gave_up' } }] })
    const call = causeOf(send(gateway, 'o'))
    await gateway.requests.until('received')
    await gateway.close()
    await call
    expect(gateway.ledger.all()).toEqual([])
  })

  it('a client that goes away in the middle of its body has sent no request', async () => {
    const { gateway } = await gatewayAndStripe()
    const socket = connect(gateway.port, gateway.host)
    socket.write(
      'POST /v1/charges HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk_test_1\r\ncontent-length: 100\r\n\r\namount=1',
    )
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.destroy()
    await send(gateway, 'other')
    expect(gateway.requests.all()).toHaveLength(1)
    expect(gateway.ledger.businessKeys()).toEqual(['other'])
  })
})

describe('fault plans', () => {
  const fault = { kind: '500_before_commit' } as const
  const outcomes = async (rules: readonly FaultRule[], orders: readonly string[]) => {
    const { gateway } = await gatewayAndStripe({ faults: rules })
    const statuses: number[] = []
    for (const order of orders) statuses.push((await send(gateway, order)).status)
    return statuses
  }

  it('nth strikes one request, times limits how often, businessKey and route narrow', async () => {
    expect(await outcomes([{ fault, nth: 2 }], ['a', 'a', 'a'])).toEqual([200, 500, 200])
    expect(await outcomes([{ fault, times: 2 }], ['a', 'a', 'a'])).toEqual([500, 500, 200])
    expect(await outcomes([{ fault, businessKey: 'b' }], ['a', 'b', 'a'])).toEqual([200, 500, 200])
    expect(await outcomes([{ fault, nthOfBusinessKey: 2 }], ['a', 'b', 'a', 'b', 'a'])).toEqual([
      200, 200, 500, 500, 200,
    ])
    expect(await outcomes([{ fault, route: 'charges.create' }], ['a'])).toEqual([500])
    expect(await outcomes([{ fault, route: 'charges.list' }], ['a'])).toEqual([200])
    expect(await outcomes([{ fault, path: '/v1/ch*', method: 'POST' }], ['a'])).toEqual([500])
    expect(await outcomes([{ fault, path: '/v1/ch' }], ['a'])).toEqual([200])
  })

  it('the first rule that applies strikes', async () => {
    const rules: FaultRule[] = [{ fault: { kind: 'rate_limit' }, times: 1 }, { fault }]
    expect(await outcomes(rules, ['a', 'a'])).toEqual([429, 500])
  })

  it('rules can be added and replaced while the gateway runs, and a function can decide', async () => {
    const { gateway } = await gatewayAndStripe()
    gateway.fault({ fault })
    expect((await send(gateway, 'a')).status).toBe(500)
    gateway.setFaults([])
    expect((await send(gateway, 'a')).status).toBe(200)
    gateway.setFaults(({ businessKey }) => (businessKey === 'b' ? fault : undefined))
    expect((await send(gateway, 'a')).status).toBe(200)
    expect((await send(gateway, 'b')).status).toBe(500)
  })

  it('a seed strikes the same requests in every run, however they interleave; another seed strikes others', async () => {
    const orders = Array.from({ length: 60 }, (_, n) => `o${n}`)
    const struck = async (seed: number, sequence: readonly string[], atOnce: number) => {
      const { gateway } = await gatewayAndStripe({ seed, faults: [{ fault, probability: 0.3 }] })
      for (let n = 0; n < sequence.length; n += atOnce) {
        await Promise.all(sequence.slice(n, n + atOnce).map((order) => send(gateway, order)))
      }
      return gateway.requests
        .all({ fault: fault.kind })
        .map(({ businessKey }) => businessKey)
        .toSorted()
    }
    const inOrder = await struck(7, [...orders, ...orders], 1)
    expect(await struck(7, [...orders.toReversed(), ...orders], 20)).toEqual(inOrder)
    expect(await struck(8, [...orders, ...orders], 20)).not.toEqual(inOrder)
    expect(inOrder.length).toBeGreaterThan(15)
    expect(inOrder.length).toBeLessThan(60)
  })

  it('a rule that could never strike is refused when it is set', async () => {
    const wrong = [{ fault: { kind: 'nonsense' } }, { fault, probability: 2 }, { fault, nth: 0 }, {}]
    for (const rule of wrong) {
      await expect(startGateway({ faults: [rule as FaultRule] })).rejects.toThrow(/fault rule/)
    }
  })

  it('the business key of a confirm, capture or refund is that of its object', async () => {
    const { gateway, stripe } = await gatewayAndStripe()
    const intent = await stripe.paymentIntents.create({ ...payment('o'), confirm: false })
    await stripe.paymentIntents.confirm(intent.id)
    await stripe.refunds.create({ payment_intent: intent.id })
    expect(gateway.requests.all().map(({ route, businessKey }) => [route, businessKey])).toEqual([
      ['payment_intents.create', 'o'],
      ['payment_intents.confirm', 'o'],
      ['refunds.create', 'o'],
    ])
  })
})
