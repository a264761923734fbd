import { randomBytes } from 'node:crypto'
import {
  type ConsumerConfig,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
} from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/support/postgres.js'
import { natsUrl } from '../../../../test/support/servers.js'
import { startTcpProxy, type TcpProxy } from '../../../../test/support/tcp-proxy.js'
import { ConfigurationError, PoisonMessageError } from '../../../protocol/index.js'
import { consumeUntilKilled } from '../process.fixture.js'
import { openShop, type Shop, Told } from '../shop.fixture.js'
import { type Consumption, consumeNats, type DeadLetter, type NatsConsumerOptions } from './index.js'
import { isOfFilter } from './subjects.js'

type Options = NatsConsumerOptions<Parameters<Shop['place']>[0], unknown>
interface Received {
  readonly order: string
  readonly duplicate: boolean
  readonly result: unknown
}

const found = natsUrl()

describe.runIf(found !== undefined)('consuming from NATS JetStream', () => {
  const url = found ?? ''
  let database: TestDatabase
  let shop: Shop
  let connection: NatsConnection
  let js: JetStreamClient
  let manager: JetStreamManager
  let stream: string
  const consumers: Consumption[] = []
  const connections: NatsConnection[] = []
  const proxies: TcpProxy[] = []

  beforeAll(async () => {
    database = await testDatabase()
    shop = await openShop(database.connectionString)
    connection = await connect({ servers: url })
    js = jetstream(connection)
    manager = await js.jetstreamManager()
  })
  beforeEach(async () => {
    stream = `counterfoil-test-${randomBytes(6).toString('hex')}`
    await manager.streams.add({ name: stream, subjects: [`${stream}.orders`], storage: 'memory' })
    await manager.streams.add({ name: `${stream}-dead`, subjects: [`${stream}.dead`], storage: 'memory' })
    await addConsumer({})
  })
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((each) => each.stop()))
    await Promise.all(connections.splice(0).map((each) => each.close()))
    await Promise.all(proxies.splice(0).map((each) => each.close()))
    await manager.streams.delete(stream)
    await manager.streams.delete(`${stream}-dead`)
  })
  afterAll(async () => {
    await connection?.close()
    await shop?.close()
    await database?.drop()
  })

  async function addConsumer(config: Partial<ConsumerConfig>): Promise<void> {
    // A second's wait, so that what a killed process held comes back soon.
    await manager.consumers.add(stream, { durable_name: stream, ack_policy: 'explicit', ack_wait: 1e9, ...config })
  }

  const send = (order: string, msgID?: string) =>
    js.publish(`${stream}.orders`, order, msgID === undefined ? {} : { msgID })

  async function consume(handler: Options['handler'], options: Partial<Options> & { readonly at?: string } = {}) {
    const { at, ...rest } = options
    const own = await connect({ servers: at ?? url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
    connections.push(own)
    const received = new Told<Received>()
    const buried = new Told<DeadLetter>()
    const errors = new Told<unknown>()
    const consumer = await consumeNats(shop.counterfoil, jetstream(own), {
      ...{ stream, durable: stream, deadLetter: `${stream}.dead`, handler, redeliveryDelay: { first: 1, longest: 5 } },
      onReceived: (message, { duplicate, result }) => received.tell({ order: message.string(), duplicate, result }),
      onDeadLetter: (_message, why) => buried.tell(why),
      onError: errors.tell,
      ...rest,
    })
    consumers.push(consumer)
    return { consumer, received, buried, errors }
  }

  const place: Options['handler'] = (tx, message) => shop.place(tx, message.string())

  /** What the consumer has not acknowledged, once all are stopped. */
  async function left(): Promise<number> {
    await Promise.all(consumers.splice(0).map((each) => each.stop()))
    await Promise.all(connections.splice(0).map((each) => each.drain()))
    const { num_ack_pending, num_pending } = await manager.consumers.info(stream, stream)
    return num_ack_pending + num_pending
  }

  it('receives a message once, and tells a duplicate what the first one led to', async () => {
    // The stream's own memory of ids must not do our work here.
    await manager.streams.update(stream, { duplicate_window: 100e6 })
    await send('o1', 'id-1')
    while ((await send('o1', 'id-1')).duplicate);
    const { received } = await consume(place)
    await received.until((all) => all.length === 2)
    expect(received.all).toEqual([
      { order: 'o1', duplicate: false, result: { order: 'o1' } },
      { order: 'o1', duplicate: true, result: { order: 'o1' } },
    ])
    expect(await shop.placed('o1')).toBe(1)
    expect(await left()).toBe(0)
  })

  it('takes messages without an id by their place in the stream: each is one', async () => {
    await send('same')
    await send('same')
    const { received } = await consume(place)
    await received.until((all) => all.length === 2)
    expect(received.all.every(({ duplicate }) => !duplicate)).toBe(true)
    expect(await shop.placed('same')).toBe(2)
  })

  it('handles as many at once as it is told, and each once', async () => {
    const orders = Array.from({ length: 40 }, (_, i) => `many-${i}`)
    await Promise.all(orders.map((order) => send(order, order)))
    let underWay = 0
    let most = 0
    const handler: Options['handler'] = async (tx, message) => {
      most = Math.max(most, ++underWay)
      const placed = await place(tx, message)
      underWay--
      return placed
    }
    const [one, other] = [await consume(handler, { concurrency: 3 }), await consume(handler, { concurrency: 3 })]
    const all = () => [...one.received.all, ...other.received.all]
    while (all().length < orders.length) {
      const [a, b] = [one.received.all.length, other.received.all.length]
      await Promise.race([
        one.received.until((told) => told.length > a),
        other.received.until((told) => told.length > b),
      ])
    }
    expect(new Set(all().map(({ order }) => order))).toEqual(new Set(orders))
    expect(most).toBeLessThanOrEqual(6)
    expect(await left()).toBe(0)
  })

  it('delivers a message again whose handler threw, and keeps nothing of what that wrote', async () => {
    let calls = 0
    const { received, errors } = await consume(async (tx, message) => {
      await place(tx, message)
      if (++calls < 3) throw new Error('the shop is closed')
    })
    await send('again', 'again')
    await received.until((all) => all.length === 1)
    expect(received.all).toMatchObject([{ duplicate: false }])
    expect(errors.all).toHaveLength(2)
    expect(await shop.placed('again')).toBe(1)
    expect(await left()).toBe(0)
  })

  it('buries a poison message after its deliveries, with the reason and all that it was', async () => {
    let calls = 0
    const { buried, received } = await consume(
      (_tx, message) => {
        if (message.string() === 'fine') return 'fine'
        calls++
        throw new TypeError('cannot read\nthis')
      },
      { maxDeliveries: 3 },
    )
    const own = headers()
    own.set('Tenant', 'acme')
    await js.publish(`${stream}.orders`, 'poison', { msgID: 'p1', headers: own })
    await send('fine', 'fine')
    await buried.until((all) => all.length === 1)
    await received.until((all) => all.length === 1)
    expect(calls).toBe(3)
    expect(buried.all).toEqual([{ code: 'TypeError', message: 'cannot read\nthis', deliveries: 3 }])
    const dead = await manager.streams.getMessage(`${stream}-dead`, { seq: 1 })
    expect(dead?.string()).toBe('poison')
    const told = Object.fromEntries((dead?.header.keys() ?? []).map((name) => [name, dead?.header.get(name)]))
    expect(told).toMatchObject({
      ...{ Tenant: 'acme', 'Counterfoil-Message-Id': 'p1', 'Counterfoil-Code': 'TypeError' },
      ...{ 'Counterfoil-Reason': 'cannot read this', 'Counterfoil-Deliveries': '3', 'Counterfoil-Sequence': '1' },
      'Counterfoil-Subject': `${stream}.orders`,
    })
    expect(await left()).toBe(0)
  })

  it('buries at once what no redelivery can help, and keeps what cannot be buried', async () => {
    const { buried, errors } = await consume(() => {
      throw new PoisonMessageError('The order has no lines.')
    })
    await send('empty', 'empty')
    await buried.until((all) => all.length === 1)
    expect(buried.all).toMatchObject([{ code: 'poison_message', deliveries: 1 }])
    await manager.streams.delete(`${stream}-dead`)
    const before = errors.all.length
    await send('unburied', 'unburied')
    await errors.until((all) => all.length >= before + 2)
    expect(buried.all).toHaveLength(1)
    expect(await left()).toBe(1)
    await manager.streams.add({ name: `${stream}-dead`, subjects: [`${stream}.dead`], storage: 'memory' })
  })

  it('keeps a message to itself for as long as its handler needs, beyond the server’s patience', async () => {
    const { received } = await consume(async (tx, message) => {
      await shop.pool.query('SELECT pg_sleep(1.6)')
      return place(tx, message)
    })
    await send('slow', 'slow')
    await received.until((all) => all.length === 1)
    expect(await left()).toBe(0)
    const { delivered, num_redelivered } = await manager.consumers.info(stream, stream)
    expect([delivered.consumer_seq, num_redelivered]).toEqual([1, 0])
  })

  it('receives once what a process had committed and not acknowledged when it was killed', async () => {
    await send('killed', 'killed')
    const plan = { broker: 'nats', url, database: database.connectionString, queue: stream } as const
    await consumeUntilKilled({
      ...{ ...plan, deadLetter: `${stream}.dead`, dies: 'between commit and acknowledgement', maxDeliveries: 5 },
    })
    expect(await shop.placed('killed')).toBe(1)
    const { received } = await consume(place)
    await received.until((all) => all.length === 1)
    expect(received.all).toEqual([{ order: 'killed', duplicate: true, result: { order: 'killed' } }])
    expect(await shop.placed('killed')).toBe(1)
    expect(await left()).toBe(0)
  })

  it('goes on after its connection was cut, and the message under way is received once', async () => {
    const proxy = await startTcpProxy(url)
    proxies.push(proxy)
    const begun = new Told<JsMsg>()
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { received } = await consume(
      async (tx, message) => {
        begun.tell(message)
        if (begun.all.length === 1) await released
        return place(tx, message)
      },
      { at: `nats://127.0.0.1:${proxy.port}` },
    )
    await send('cut', 'cut')
    await begun.until((all) => all.length === 1)
    proxy.cut()
    release()
    await send('after', 'after')
    await received.first(({ order }) => order === 'cut')
    await received.first(({ order }) => order === 'after')
    expect(received.all.filter(({ order, duplicate }) => order === 'cut' && !duplicate)).toHaveLength(1)
    expect(await shop.placed('cut')).toBe(1)
    expect(await shop.placed('after')).toBe(1)
  })

  it('stops: what is under way ends and is acknowledged, what was not begun goes to others', async () => {
    const begun = new Told<string>()
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { consumer, received } = await consume(
      async (tx, message) => {
        begun.tell(message.string())
        await released
        return place(tx, message)
      },
      { concurrency: 1 },
    )
    await send('under-way', 'under-way')
    await begun.until((all) => all.length === 1)
    await send('not-begun', 'not-begun')
    let isStopped = false
    const stopped = consumer.stop().then(() => {
      isStopped = true
    })
    const next = await consume(place)
    await next.received.first(({ order }) => order === 'not-begun')
    expect(isStopped).toBe(false)
    release()
    await stopped
    expect(received.all).toMatchObject([{ order: 'under-way', duplicate: false }])
    expect(begun.all).toEqual(['under-way'])
    expect(await left()).toBe(0)
    expect(next.received.all).toHaveLength(1)
  })

  it('refuses a consumer that could lose messages, or receive its own dead letters', async () => {
    await expect(consume(place, { durable: 'nobody' })).rejects.toThrow(ConfigurationError)
    await expect(consume(place, { stream: 'nowhere' })).rejects.toThrow('The stream nowhere cannot be used')
    await expect(consume(place, { deadLetter: 'counterfoil.nowhere' })).rejects.toThrow(
      'No stream takes the deadLetter',
    )
    await expect(consume(place, { deadLetter: `${stream}.orders` })).rejects.toThrow('its own dead letters')
    await addConsumer({ durable_name: 'limited', max_deliver: 5 })
    await expect(consume(place, { durable: 'limited' })).rejects.toThrow('loses a message after 5 deliveries')
    await addConsumer({ durable_name: 'careless', ack_policy: 'none', ack_wait: 0 })
    await expect(consume(place, { durable: 'careless' })).rejects.toThrow('ack_policy explicit')
  })
})

describe('a filter of subjects', () => {
  it('stands for the subjects that the server would give it', () => {
    for (const [subject, filter] of [
      ['a.b', 'a.b'],
      ['a.b', 'a.*'],
      ['a.b', '>'],
      ['a.b.c', 'a.>'],
      ['a.b.c', '*.b.*'],
    ] as const) {
      expect(isOfFilter(subject, filter), `${subject} ${filter}`).toBe(true)
    }
    for (const [subject, filter] of [
      ['a.b', 'a'],
      ['a', 'a.>'],
      ['a', 'a.b'],
      ['a.b.c', 'a.*'],
      ['a.bc', 'a.b'],
    ] as const) {
      expect(isOfFilter(subject, filter), `${subject} ${filter}`).toBe(false)
    }
  })
})
