import { randomBytes } from 'node:crypto'
import amqp, { type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rabbitmqUrl } from '../../../test/support/servers.js'
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.js'
import { Counterfoil, defineEffect } from '../../engine/index.js'
import { MemoryJournal } from '../../journal/memory/index.js'
import { EffectInDoubt, EffectRejected } from '../../protocol/index.js'
import { realClock } from '../../system/index.js'
import { type RabbitMqMessage, type RabbitMqPublishOptions, rabbitMq, rabbitMqPublish } from './index.js'

interface Order {
  readonly id: string
}

const found = rabbitmqUrl()

describe.runIf(found !== undefined)('publishing to RabbitMQ', () => {
  const url = found ?? ''
  let connection: ChannelModel
  let channel: ConfirmChannel
  let proxy: TcpProxy
  let queue: string
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    connection = await amqp.connect(url)
    channel = await connection.createConfirmChannel()
    proxy = await startTcpProxy(url)
  })
  beforeEach(async () => {
    queue = `counterfoil-test-${randomBytes(6).toString('hex')}`
    await channel.assertQueue(queue, { durable: true })
  })
  afterEach(async () => {
    proxy.mend()
    for (const close of closing.splice(0).reverse()) await close()
    await channel.deleteQueue(queue)
  })
  afterAll(async () => {
    await connection?.close()
    await proxy?.close()
  })

  function publisher(
    toMessage: (order: Order) => RabbitMqMessage,
    options: RabbitMqPublishOptions & { readonly port?: number; readonly timeoutMs?: number } = {},
  ) {
    const { port = proxy.port, timeoutMs = 5_000, ...rest } = options
    const rabbit = rabbitMq(() => amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`))
    const effect = defineEffect({
      name: 'announce',
      key: (order: Order) => order.id,
      provider: rabbitMqPublish(rabbit, toMessage, rest),
      timeout: timeoutMs,
      leaseGrace: '1s',
      maxAttempts: 1_000,
      retryDelay: { first: 10, longest: 20 },
    })
    const journal = new MemoryJournal({ clock: realClock })
    const counterfoil = new Counterfoil({ journal, effects: [effect], pollInterval: 10 })
    closing.push(() => rabbit.close())
    closing.push(() => counterfoil.stop())
    return { counterfoil, effect, publish: (id: string) => counterfoil.perform(effect, { id }, { wait: '20s' }) }
  }

  const toQueue = (order: Order): RabbitMqMessage => ({ routingKey: queue, json: order })

  async function messages(): Promise<GetMessage[]> {
    const all: GetMessage[] = []
    for (;;) {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) return all
      all.push(message)
    }
  }

  it('is executed when the broker has confirmed the message, which bears the reference', async () => {
    const { publish } = publisher((order) => ({
      ...toQueue(order),
      options: { headers: { tenant: 'acme' }, type: 'order.placed' },
    }))
    const receipts = await Promise.all([publish('o1'), publish('o1'), publish('o2')])
    expect(receipts[0]).toEqual(receipts[1])
    const stored = await messages()
    expect(stored.map(({ content }) => content.toString()).sort()).toEqual(['{"id":"o1"}', '{"id":"o2"}'])
    expect(stored.find(({ content }) => content.includes('o1'))?.properties).toMatchObject({
      ...{ messageId: receipts[0].id, deliveryMode: 2, contentType: 'application/json', type: 'order.placed' },
      headers: { tenant: 'acme' },
    })
    expect(receipts[0]).toEqual({ id: receipts[0].id, exchange: '', routingKey: queue })
  })

  it('is rejected when no queue takes the message', async () => {
    const { publish } = publisher(() => ({ routingKey: 'counterfoil-test-nowhere', content: 'lost' }))
    const rejected = publish('o1')
    await expect(rejected).rejects.toThrow(EffectRejected)
    await expect(rejected).rejects.toThrow('No queue takes the message')
  })

  it('is rejected when the broker refuses the message itself, and others under way are not disturbed', async () => {
    const { publish } = publisher((order) => ({
      ...toQueue(order),
      options: order.id === 'bad' ? { userId: 'somebody-else' } : {},
    }))
    const others = Array.from({ length: 10 }, (_, i) => publish(`good-${i}`))
    await expect(publish('bad')).rejects.toThrow('refused the message')
    await Promise.all(others)
    expect(await messages()).toHaveLength(10)
  })

  it('is tried again when the exchange does not exist yet: nothing was sent anywhere', async () => {
    const exchange = `${queue}-exchange`
    const { counterfoil, publish } = publisher((order) => ({ ...toQueue(order), exchange }))
    await counterfoil.start()
    const heard = proxy.heard()
    const published = publish('early')
    await heard
    await channel.assertExchange(exchange, 'fanout', { autoDelete: true })
    await channel.bindQueue(queue, exchange, '')
    expect(await published).toMatchObject({ exchange })
    expect(await messages()).toHaveLength(1)
  })

  it('is tried again when the broker cannot be reached: nothing was sent', async () => {
    const closed = await startTcpProxy(url)
    await closed.close()
    const { counterfoil, effect } = publisher(toQueue, { port: closed.port })
    const asked = counterfoil.perform(effect, { id: 'o1' }, { wait: 300 })
    // It may be in the midst of another try.
    await expect(asked).rejects.toMatchObject({ code: 'effect_in_doubt', reason: { code: 'no_channel' } })
  })

  /** Publishes once over a connection that stands, and has the answer to the next one lost. */
  async function withLostConfirm(options: RabbitMqPublishOptions) {
    const made = publisher(toQueue, { ...options, timeoutMs: 500 })
    await made.publish('before')
    await made.counterfoil.start()
    proxy.loseAnswers()
    const heard = proxy.heard()
    const published = made.publish('doubtful')
    const settled = published.then(
      (receipt) => ({ receipt }),
      (error: unknown) => ({ error }),
    )
    await heard
    return settled
  }

  it('is parked when the confirm is lost: the broker remembers nothing, and nobody said that consumers do', async () => {
    const settled = await withLostConfirm({})
    expect(settled).toMatchObject({ error: expect.any(EffectInDoubt) })
    expect(settled).toMatchObject({ error: { state: 'parked' } })
    const stored = await messages()
    expect(stored.filter(({ content }) => content.includes('doubtful'))).toHaveLength(1)
  })

  it('is published again under the same id when consumers drop duplicates, and received once', async () => {
    setTimeout(() => proxy.mend(), 700)
    const settled = await withLostConfirm({ consumersDedupeFor: '1h' })
    const stored = (await messages()).filter(({ content }) => content.includes('doubtful'))
    expect(stored.length).toBeGreaterThanOrEqual(2)
    const ids = new Set(stored.map(({ properties }) => String(properties.messageId)))
    expect(settled).toMatchObject({ receipt: { id: [...ids][0] } })
    expect(ids.size).toBe(1)
    const consumer = new Counterfoil({ journal: new MemoryJournal({ clock: realClock }), effects: [] })
    let handled = 0
    for (const { properties } of stored) {
      await consumer.receive({ source: queue, id: String(properties.messageId) }, () => {
        handled++
      })
    }
    expect(handled).toBe(1)
  })
})
