import { randomBytes } from 'node:crypto'
import amqp, { type ChannelModel, type ConfirmChannel, type ConsumeMessage, type GetMessage } from 'amqplib'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/support/postgres.js'
import { rabbitmqUrl } from '../../../../test/support/servers.js'
import { startTcpProxy, type TcpProxy } from '../../../../test/support/tcp-proxy.js'
import { ConfigurationError, PoisonMessageError } from '../../../protocol/index.js'
import { consumeUntilKilled } from '../process.fixture.js'
import { openShop, type Shop, Told } from '../shop.fixture.js'
import {
  type Consumption,
  consumeRabbitMq,
  type DeadLetter,
  type RabbitMq,
  type RabbitMqConsumerOptions,
  rabbitMq,
} from './index.js'

type Handler = RabbitMqConsumerOptions<Parameters<Shop['place']>[0], unknown>['handler']
interface Received {
  readonly id: string
  readonly duplicate: boolean
  readonly result: unknown
}

const found = rabbitmqUrl()

describe.runIf(found !== undefined)('consuming from RabbitMQ', () => {
  const url = found ?? ''
  let database: TestDatabase
  let shop: Shop
  let connection: ChannelModel
  let channel: ConfirmChannel
  let queue: string
  let deadLetter: string
  const consumers: Consumption[] = []
  const rabbits: RabbitMq[] = []
  const proxies: TcpProxy[] = []

  beforeAll(async () => {
    database = await testDatabase()
    shop = await openShop(database.connectionString)
    connection = await amqp.connect(url)
    channel = await connection.createConfirmChannel()
  })
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((each) => each.stop()))
    await Promise.all(rabbits.splice(0).map((each) => each.close()))
    await Promise.all(proxies.splice(0).map((each) => each.close()))
    for (const name of [queue, deadLetter]) await channel.deleteQueue(name)
  })
  afterAll(async () => {
    await connection?.close()
    await shop?.close()
    await database?.drop()
  })

  async function declare(type: 'classic' | 'quorum' = 'classic'): Promise<void> {
    queue = `counterfoil-test-${randomBytes(6).toString('hex')}`
    deadLetter = `${queue}-dead`
    for (const name of [queue, deadLetter]) {
      await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': type } })
    }
  }

  async function send(order: string, options: { messageId?: string; headers?: object; expiration?: string } = {}) {
    channel.sendToQueue(queue, Buffer.from(order), { persistent: true, messageId: order, ...options })
    await channel.waitForConfirms()
  }

  async function consume(
    handler: Handler,
    options: Partial<RabbitMqConsumerOptions<Parameters<Shop['place']>[0], unknown>> & { readonly at?: string } = {},
  ) {
    const { at = url, ...rest } = options
    const rabbit = rabbitMq(() => amqp.connect(at))
    rabbits.push(rabbit)
    const received = new Told<Received>()
    const buried = new Told<DeadLetter>()
    const errors = new Told<unknown>()
    const consumer = await consumeRabbitMq(shop.counterfoil, rabbit, {
      ...{ queue, deadLetter, handler, redeliveryDelay: { first: 1, longest: 5 } },
      onReceived: ({ properties }, { duplicate, result }) =>
        received.tell({ id: String(properties.messageId), duplicate, result }),
      onDeadLetter: (_message, why) => buried.tell(why),
      onError: errors.tell,
      ...rest,
    })
    consumers.push(consumer)
    return { consumer, received, buried, errors }
  }

  const place: Handler = (tx, message) => shop.place(tx, message.content.toString())

  /** What is left, once the consumers have been stopped. */
  async function left(name: string): Promise<number> {
    await Promise.all(consumers.splice(0).map((each) => each.stop()))
    return (await channel.checkQueue(name)).messageCount
  }

  async function deadOne(): Promise<GetMessage> {
    for (;;) {
      const message = await channel.get(deadLetter, { noAck: true })
      if (message !== false) return message
    }
  }

  it('receives a message once, and tells a duplicate what the first one led to', async () => {
    await declare()
    for (let times = 0; times < 3; times++) await send('o1')
    const { received } = await consume(place)
    await received.until((all) => all.length === 3)
    expect(received.all.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(received.all.map(({ result }) => result)).toEqual(Array(3).fill({ order: 'o1' }))
    expect(await shop.placed('o1')).toBe(1)
    expect(await left(queue)).toBe(0)
  })

  it('runs the handler once for two deliveries at the same moment, in two consumers', async () => {
    await declare()
    const begun = new Told<string>()
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow: Handler = async (tx, message) => {
      begun.tell(message.content.toString())
      await released
      return place(tx, message)
    }
    const [one, other] = [await consume(slow, { concurrency: 1 }), await consume(slow, { concurrency: 1 })]
    await send('together')
    await begun.until((all) => all.length === 1)
    await send('together')
    // The second is held by the other consumer, and waits for the first one's commit in the database.
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    while ((await shop.pool.query(waiting)).rowCount === 0);
    release()
    await Promise.all([one, other].map(({ received }) => received.until((all) => all.length === 1)))
    expect([...one.received.all, ...other.received.all].filter(({ duplicate }) => duplicate)).toHaveLength(1)
    expect(begun.all).toEqual(['together'])
    expect(await shop.placed('together')).toBe(1)
  })

  it('delivers a message again whose handler threw, and keeps nothing of what that wrote', async () => {
    await declare()
    let calls = 0
    const { received, errors } = await consume(async (tx, message) => {
      await place(tx, message)
      calls++
      if (calls < 3) throw new Error('the shop is closed')
    })
    await send('again')
    await received.until((all) => all.length === 1)
    expect(received.all).toMatchObject([{ duplicate: false }])
    expect(errors.all).toHaveLength(2)
    expect(await shop.placed('again')).toBe(1)
    expect(await left(queue)).toBe(0)
  })

  it.each(['classic', 'quorum'] as const)(
    'buries a poison message of a %s queue after its deliveries, with the reason and all that it was',
    async (type) => {
      await declare(type)
      let calls = 0
      const { buried, received } = await consume(
        (_tx, message) => {
          if (message.content.toString() === 'fine') return 'fine'
          calls++
          throw new TypeError(`cannot read ${message.content}`)
        },
        { maxDeliveries: 3 },
      )
      await send('poison', { messageId: `poison-${type}`, headers: { tenant: 'acme', CC: [queue] } })
      await send('fine', { messageId: `fine-${type}` })
      await received.first(({ id }) => id === `fine-${type}`)
      // Its header CC had it put into the queue twice; the copy is the same message, and as poisonous.
      await buried.until((all) => all.length >= 1)
      const dead = await deadOne()
      expect(dead.content.toString()).toBe('poison')
      expect(dead.properties).toMatchObject({ messageId: `poison-${type}`, deliveryMode: 2 })
      expect(dead.properties.headers).toMatchObject({
        ...{ tenant: 'acme', 'x-counterfoil-code': 'TypeError', 'x-counterfoil-reason': 'cannot read poison' },
        ...{ 'x-counterfoil-queue': queue },
      })
      expect(dead.properties.headers).not.toHaveProperty('CC')
      expect(calls).toBeGreaterThanOrEqual(3)
    },
  )

  it('counts to maxDeliveries exactly, and begins anew with a message that is sent again', async () => {
    await declare()
    let calls = 0
    const { buried } = await consume(
      () => {
        calls++
        throw new Error('always')
      },
      { maxDeliveries: 3 },
    )
    for (const round of [1, 2]) {
      await send('stubborn')
      await buried.until((all) => all.length === round)
      expect(calls).toBe(3 * round)
      expect(buried.all.at(-1)).toMatchObject({ code: 'Error', message: 'always', deliveries: 3 })
    }
    expect(await left(queue)).toBe(0)
    expect((await channel.checkQueue(deadLetter)).messageCount).toBe(2)
  })

  it('buries at once what no redelivery can help: a PoisonMessageError, and a message without an id', async () => {
    await declare()
    const { buried } = await consume(() => {
      throw new PoisonMessageError('The order has no lines.')
    })
    await send('empty')
    await send('nameless', { messageId: '' })
    await buried.until((all) => all.length === 2)
    expect(new Set(buried.all.map(({ code, deliveries }) => `${code} ${deliveries}`))).toEqual(
      new Set(['poison_message 1', 'no_message_id 1']),
    )
    // Its time to live does not go with it into the grave.
    await send('short', { messageId: '', expiration: '60000' })
    await buried.until((all) => all.length === 3)
    await channel.get(deadLetter, { noAck: true })
    await channel.get(deadLetter, { noAck: true })
    expect((await deadOne()).properties.expiration).toBeUndefined()
  })

  it('keeps a message that cannot be buried', async () => {
    await declare()
    const { errors, buried } = await consume(() => {
      throw new PoisonMessageError('no use')
    })
    await channel.deleteQueue(deadLetter)
    await send('unburied')
    await errors.until((all) => all.length === 2)
    expect(errors.all[1]).toMatchObject({ message: expect.stringContaining('No queue takes the message') })
    expect(buried.all).toEqual([])
    expect(await left(queue)).toBe(1)
  })

  it('receives once what a process had committed and not acknowledged when it was killed', async () => {
    await declare()
    await send('killed')
    const plan = { broker: 'rabbitmq', url, database: database.connectionString, queue, deadLetter } as const
    await consumeUntilKilled({ ...plan, dies: 'between commit and acknowledgement', maxDeliveries: 5 })
    expect(await shop.placed('killed')).toBe(1)
    const { received } = await consume(place)
    await received.until((all) => all.length === 1)
    expect(received.all).toEqual([{ id: 'killed', duplicate: true, result: { order: 'killed' } }])
    expect(await shop.placed('killed')).toBe(1)
    expect(await left(queue)).toBe(0)
  })

  it('buries a message that ends each process which begins it', async () => {
    await declare()
    await send('deadly')
    const plan = { broker: 'rabbitmq', url, database: database.connectionString, queue, deadLetter } as const
    for (let times = 0; times < 2; times++) {
      await consumeUntilKilled({ ...plan, dies: 'in its handler', maxDeliveries: 1 })
    }
    const { buried } = await consume(() => expect.unreachable('it was begun once more'), { maxDeliveries: 1 })
    await buried.until((all) => all.length === 1)
    expect(buried.all).toMatchObject([{ code: 'process_ended', deliveries: 1 }])
    expect(await shop.placed('deadly')).toBe(0)
  })

  it('goes on after its connection was cut, and the message under way is received once', async () => {
    await declare()
    const proxy = await startTcpProxy(url)
    proxies.push(proxy)
    const begun = new Told<ConsumeMessage>()
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { received, errors } = await consume(
      async (tx, message) => {
        begun.tell(message)
        if (begun.all.length === 1) await released
        return place(tx, message)
      },
      { at: `amqp://guest:guest@127.0.0.1:${proxy.port}` },
    )
    await send('cut')
    await begun.until((all) => all.length === 1)
    proxy.cut()
    await errors.until((all) => all.length >= 1)
    release()
    await received.until((all) => all.length >= 2)
    expect(received.all.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    await send('after')
    await received.first(({ id }) => id === 'after')
    expect(await shop.placed('cut')).toBe(1)
    expect(await left(queue)).toBe(0)
  })

  it('stops: what is under way ends and is acknowledged, what was not begun goes to others', async () => {
    await declare()
    const begun = new Told<string>()
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { consumer, received } = await consume(
      async (tx, message) => {
        begun.tell(message.content.toString())
        await released
        return place(tx, message)
      },
      { concurrency: 1 },
    )
    await send('under-way')
    await begun.until((all) => all.length === 1)
    await send('not-begun')
    let isStopped = false
    const stopped = consumer.stop().then(() => {
      isStopped = true
    })
    const next = await consume(place)
    await next.received.first(({ id }) => id === 'not-begun')
    expect(isStopped).toBe(false)
    release()
    await stopped
    expect(received.all).toMatchObject([{ id: 'under-way', duplicate: false }])
    expect(begun.all).toEqual(['under-way'])
    expect(await left(queue)).toBe(0)
    expect(next.received.all).toHaveLength(1)
  })

  it('waits for a database that cannot be reached, and counts no failure against the message', async () => {
    await declare()
    const own = await testDatabase()
    const ownShop = await openShop(own.connectionString)
    const admin = new Client({ connectionString: inject('postgresUrl') })
    await admin.connect()
    await ownShop.counterfoil.receive({ source: 'warm', id: 'up' }, () => undefined)
    await admin.query(`ALTER DATABASE ${own.name} WITH ALLOW_CONNECTIONS false`)
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, [own.name])
    const errors = new Told<unknown>()
    const received = new Told<boolean>()
    const rabbit = rabbitMq(() => amqp.connect(url))
    rabbits.push(rabbit)
    consumers.push(
      await consumeRabbitMq(ownShop.counterfoil, rabbit, {
        ...{ queue, deadLetter, maxDeliveries: 1, onError: errors.tell },
        handler: (tx, message) => ownShop.place(tx, message.content.toString()),
        onReceived: (_message, { duplicate }) => received.tell(duplicate),
      }),
    )
    await send('patient')
    await errors.until((all) => all.length >= 2)
    await admin.query(`ALTER DATABASE ${own.name} WITH ALLOW_CONNECTIONS true`)
    await received.until((all) => all.length === 1)
    expect(received.all).toEqual([false])
    expect(await left(deadLetter)).toBe(0)
    await admin.end()
    await ownShop.close()
    await own.drop()
  })

  it('refuses a queue that does not exist, before it consumes', async () => {
    await declare()
    await expect(consume(place, { deadLetter: 'counterfoil-test-nowhere' })).rejects.toThrow(ConfigurationError)
    await expect(consume(place, { queue: 'counterfoil-test-nowhere' })).rejects.toThrow('no queue')
    await expect(consume(place, { concurrency: 0 })).rejects.toThrow('concurrency is 0')
  })
})
