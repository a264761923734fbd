import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { payment, stripeAt, stripeErrorOf } from './gateway.fixture.js'
import { type GatewayProcess, startGatewayProcess } from './index.js'

const nodeArguments = ['--import', 'tsx']

describe('the gateway as a process of its own', () => {
  let gateway: GatewayProcess

  beforeAll(async () => {
    gateway = await startGatewayProcess({ nodeArguments })
  })
  afterAll(() => gateway.stop())
  beforeEach(async () => {
    await gateway.control.acceptConnections()
    await gateway.control.reset()
  })

  it('is driven by the SDK, and its ledger and log are read over the control port', async () => {
    const stripe = stripeAt(gateway)
    await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })
    await gateway.control.pruneKeys()
    await stripe.paymentIntents.create(payment('o'), { idempotencyKey: 'k' })
    const ledger = await gateway.control.ledger()
    expect(ledger.chargedTwice()).toEqual(['o'])
    expect(ledger.liveCharges('o')).toMatchObject([{ amount: 1000, idempotencyKey: 'k' }, { amount: 1000 }])
    expect(ledger.totals()).toMatchObject({ charges: 2, live: 2, chargedTwice: 1 })
    expect(await gateway.control.requests({ idempotencyKey: 'k' })).toMatchObject([
      { route: 'payment_intents.create', executed: true, outcome: 'answered' },
      { route: 'payment_intents.create', executed: true, outcome: 'answered' },
    ])
  })

  it('faults and settings are set over the control port, and wrong ones are refused with a reason', async () => {
    const stripe = stripeAt(gateway)
    await gateway.control.setFaults([{ fault: { kind: 'rate_limit' }, times: 1 }])
    await gateway.control.fault({ fault: { kind: '500_after_commit' }, times: 1 })
    expect(await stripeErrorOf(stripe.paymentIntents.create(payment('o')))).toMatchObject({ statusCode: 429 })
    expect(await stripeErrorOf(stripe.paymentIntents.create(payment('o')))).toMatchObject({ statusCode: 500 })
    await gateway.control.configure({ level: 'none' })
    expect(await stripeErrorOf(stripe.events.list().then())).toMatchObject({ statusCode: 404 })
    await gateway.control.configure({ level: 'keys' })
    await expect(gateway.control.fault({ fault: { kind: 'x' } } as never)).rejects.toThrow(/fault rule names the fault/)
    await expect(gateway.control.configure({ level: 'all' } as never)).rejects.toThrow(/level/)
  })

  it('a commit can be awaited from another process while its response is held', async () => {
    await gateway.control.fault({ fault: { kind: 'delay', afterCommitMs: 200 } })
    const committed = gateway.control.until('executed', { businessKey: 'o' })
    const call = stripeAt(gateway).paymentIntents.create(payment('o'))
    expect(await committed).toMatchObject({ outcome: 'waiting', executed: true })
    expect((await gateway.control.ledger()).liveCharges('o')).toHaveLength(1)
    await call
  })

  it('the service can refuse connections while its control port stays open', async () => {
    await gateway.control.refuseConnections()
    const error = await stripeErrorOf(stripeAt(gateway).paymentIntents.create(payment('o')))
    expect(error.detail).toMatchObject({ code: 'ECONNREFUSED' })
    await gateway.control.acceptConnections()
    expect((await stripeAt(gateway).paymentIntents.create(payment('o'))).status).toBe('succeeded')
  })

  it('a path that the control port does not know is a 404 that names those it knows', async () => {
    const response = await fetch(`${gateway.controlUrl}/_gateway/nothing`)
    expect([response.status, await response.text()]).toEqual([404, expect.stringContaining('GET /_gateway/ledger')])
  })
})

describe('the gateway program', () => {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url))

  it('passes every option on to the gateway', async () => {
    const gateway = await startGatewayProcess({
      nodeArguments,
      level: 'lookup',
      seed: 5,
      latencyMs: 1,
      searchLagMs: 60_000,
      keyWindowMs: 7,
      businessKeyField: 'invoice',
      faults: [{ fault: { kind: 'rate_limit' }, nth: 2 }],
    })
    try {
      const stripe = stripeAt(gateway)
      await stripe.paymentIntents.create(payment('o', { metadata: { invoice: 'i7' } }))
      expect(await stripeErrorOf(stripe.paymentIntents.list().then())).toMatchObject({ statusCode: 429 })
      expect((await gateway.control.ledger()).businessKeys()).toEqual(['i7'])
      const settings = await (await fetch(`${gateway.controlUrl}/_gateway/settings`)).json()
      expect(settings).toEqual({ level: 'lookup', latencyMs: 1, searchLagMs: 60_000, keyWindowMs: 7 })
    } finally {
      await gateway.stop()
    }
  })

  it('ends when the process that started it is gone', async () => {
    const child = spawn(process.execPath, [...nodeArguments, program, '--exit-with-stdin'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    const exited = once(child, 'exit')
    child.stdin.destroy()
    expect(await exited).toEqual([0, null])
  })

  it('says what is wrong with its arguments and ends', async () => {
    const child = spawn(process.execPath, [...nodeArguments, program, '--port', 'x'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const [code] = await once(child, 'close')
    expect(code).toBe(1)
    expect(said).toContain('--port is x; it must be a whole number.')
  })
})
