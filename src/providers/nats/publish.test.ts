import { randomBytes } from 'node:crypto'
import {
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  type StreamConfig,
} from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { natsUrl } from '../../../test/support/servers.js'
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.js'
import { Counterfoil, defineEffect } from '../../engine/index.js'
import { MemoryJournal } from '../../journal/memory/index.js'
import { ConfigurationError, type Duration, EffectRejected } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { type NatsMessage, type NatsPublishOptions, natsPublish, natsPublisher } from './index.js'

interface Order {
  readonly id: string
}

const found = natsUrl()

describe.runIf(found !== undefined)('publishing to NATS JetStream', () => {
  const url = found ?? ''
  let connection: NatsConnection
  let js: JetStreamClient
  let manager: JetStreamManager
  let proxy: TcpProxy
  let stream: string
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    connection = await connect({ servers: url })
    js = jetstream(connection)
    manager = await js.jetstreamManager()
    proxy = await startTcpProxy(url)
  })
  beforeEach(async () => {
    stream = `counterfoil-test-${randomBytes(6).toString('hex')}`
    await addStream({})
  })
  afterEach(async () => {
    proxy.mend()
    for (const close of closing.splice(0).reverse()) await close()
    await manager.streams.delete(stream)
  })
  afterAll(async () => {
    await connection?.close()
    await proxy?.close()
  })

  const addStream = (config: Partial<StreamConfig>) =>
    manager.streams.add({ name: stream, subjects: [`${stream}.orders`], storage: 'memory', ...config })

  function publisher(
    options: Partial<NatsPublishOptions> & {
      readonly port?: number
      readonly timeoutMs?: number
      readonly toMessage?: (order: Order) => NatsMessage
    } = {},
  ) {
    const { port = proxy.port, timeoutMs = 5_000, toMessage = toOrders, ...rest } = options
    const nats = natsPublisher((how) => connect({ servers: `nats://127.0.0.1:${port}`, ...how }))
    const effect = defineEffect({
      name: 'announce',
      key: (order: Order) => order.id,
      provider: natsPublish(nats, toMessage, { stream, ...rest }),
      timeout: timeoutMs,
      leaseGrace: '1s',
      maxAttempts: 1_000,
      retryDelay: { first: 10, longest: 20 },
    })
    const journal = new MemoryJournal({ clock: realClock })
    const counterfoil = new Counterfoil({ journal, effects: [effect], pollInterval: 10 })
    const publish = (id: string, wait: Duration = '20s') => counterfoil.perform(effect, { id }, { wait })
    closing.push(() => nats.close())
    closing.push(() => counterfoil.stop())
    return { counterfoil, publish }
  }

  const toOrders = (order: Order): NatsMessage => ({ subject: `${stream}.orders`, json: order })

  /** What the stream stored, oldest first. */
  async function messages() {
    const { state } = await manager.streams.info(stream)
    const all = []
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(stream, { seq })
      if (message !== null) all.push({ seq, order: message.json<Order>(), header: message.header })
    }
    return all
  }

  /** Resolves when the stream has stored a message: it waits, and does not look again and again. */
  async function stored(): Promise<void> {
    const consumer = await js.consumers.get(stream, { deliver_policy: DeliverPolicy.Last })
    await consumer.next({ expires: 10_000 })
  }

  it('is executed when the stream has acknowledged the message, which bears the reference', async () => {
    const { publish } = publisher({ toMessage: (order) => ({ ...toOrders(order), headers: { Tenant: 'acme' } }) })
    const receipts = await Promise.all([publish('o1'), publish('o1')])
    expect(receipts[0]).toEqual(receipts[1])
    await publish('o2')
    const all = await messages()
    expect(all.map(({ order }) => order.id)).toEqual(['o1', 'o2'])
    expect(receipts[0]).toEqual({ id: `${stream}:1`, stream, seq: 1, duplicate: false })
    expect(all[0]?.header.get('Tenant')).toBe('acme')
    expect(all[0]?.header.get('Nats-Msg-Id')).toMatch(/^[\w-]{1,36}$/)
    expect(all[0]?.header.get('Nats-Msg-Id')).not.toBe(all[1]?.header.get('Nats-Msg-Id'))
  })

  it('is rejected when the stream can never store the message', async () => {
    await manager.streams.update(stream, { max_msg_size: 256 })
    const { publish } = publisher({ toMessage: (order) => ({ ...toOrders(order), content: 'x'.repeat(1_000) }) })
    const rejected = publish('o1')
    await expect(rejected).rejects.toThrow(EffectRejected)
    await expect(rejected).rejects.toThrow('JetStream refused the message')
    expect(await messages()).toEqual([])
  })

  it('is tried again while no stream takes the subject: the message went nowhere', async () => {
    const { counterfoil, publish } = publisher({
      toMessage: (order) => ({ ...toOrders(order), subject: `${stream}.late` }),
    })
    await counterfoil.start()
    const heard = proxy.heard()
    const published = publish('early')
    await heard
    await manager.streams.update(stream, { subjects: [`${stream}.*`] })
    expect(await published).toMatchObject({ seq: 1, duplicate: false })
    expect(await messages()).toHaveLength(1)
  })

  it('is tried again when the server cannot be reached: nothing was sent', async () => {
    const closed = await startTcpProxy(url)
    await closed.close()
    const { publish } = publisher({ port: closed.port })
    await expect(publish('o1', 300)).rejects.toMatchObject({ reason: { code: 'no_connection' } })
  })

  it('sends nothing to a stream that forgets ids sooner than was promised', async () => {
    for (const config of [{ duplicate_window: 1e9 }, { max_age: 10e9, duplicate_window: 10e9 }]) {
      await manager.streams.update(stream, config)
      const { publish } = publisher()
      await expect(publish('o1', 500)).rejects.toMatchObject({ reason: { code: 'window_too_short' } })
      expect(await messages()).toEqual([])
    }
  })

  it('refuses a connection that mends itself: it would send later what was given up', async () => {
    const nats = natsPublisher(() => connect({ servers: url }))
    await expect(nats.open()).rejects.toThrow(ConfigurationError)
    await expect(nats.open()).rejects.toThrow('reconnects by itself')
  })

  /** Publishes once over a connection that stands, and has the answer to the next one lost. */
  async function withLostAnswer(options: Parameters<typeof publisher>[0]) {
    const made = publisher(options)
    await made.publish('before')
    await manager.streams.purge(stream)
    await made.counterfoil.start()
    proxy.loseAnswers()
    const settled = made.publish('doubtful').then(
      (receipt) => ({ receipt }),
      (error: unknown) => ({ error }),
    )
    await stored()
    return { settled }
  }

  it('is published again when the answer was lost, and the stream answers with the first message', async () => {
    const { settled } = await withLostAnswer({})
    proxy.mend()
    expect(await settled).toMatchObject({ receipt: { id: `${stream}:2`, seq: 2, duplicate: true } })
    expect(await messages()).toMatchObject([{ seq: 2, order: { id: 'doubtful' } }])
  })

  it('is parked when the answer was lost and the window is over: the stream may have forgotten', async () => {
    const { settled } = await withLostAnswer({ duplicateWindow: 2_500, timeoutMs: 1_000 })
    // The call's second passes without an answer, and what then remains of the window is too short for another call.
    expect(await settled).toMatchObject({ error: { code: 'effect_in_doubt', state: 'parked' } })
    expect(await messages()).toMatchObject([{ order: { id: 'doubtful' } }])
  })

  it('is published again beyond the stream’s own window when consumers drop duplicates, and received once', async () => {
    await manager.streams.update(stream, { duplicate_window: 100e6 })
    const { settled } = await withLostAnswer({ consumersDedupeFor: '1h' })
    // Once the stream has forgotten the id, by its own word: it stores the same id again.
    const [first] = await messages()
    const msgID = first?.header.get('Nats-Msg-Id') ?? ''
    while ((await js.publish(`${stream}.orders`, JSON.stringify({ id: 'doubtful' }), { msgID })).duplicate);
    proxy.mend()
    const settlement = await settled
    const all = await messages()
    expect(all.length).toBeGreaterThanOrEqual(2)
    expect(new Set(all.map(({ header }) => header.get('Nats-Msg-Id')))).toEqual(new Set([msgID]))
    expect(settlement).toMatchObject({ receipt: { stream } })
    const consumer = new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [] })
    let handled = 0
    for (const { header } of all) {
      await consumer.receive({ source: stream, id: header.get('Nats-Msg-Id') }, () => {
        handled++
      })
    }
    expect(handled).toBe(1)
  })
})
