import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import amqp from 'amqplib'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import { type TestDatabase, testDatabase } from './support/postgres.js'
import { natsUrl, rabbitmqUrl } from './support/servers.js'

interface Example {
  consumeOrders(name: string): Promise<{ stop(): Promise<void> }>
}

const [rabbitAt, natsAt] = [rabbitmqUrl(), natsUrl()]

describe('the examples of the inbox', () => {
  const name = `counterfoil-test-${randomBytes(6).toString('hex')}`
  let database: TestDatabase
  let pool: Pool
  let shop: { readonly pool: Pool }
  const closing: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    database = await testDatabase()
    process.env.DATABASE_URL = database.connectionString
    process.env.RABBITMQ_URL = rabbitAt
    process.env.NATS_URL = natsAt
    pool = new Pool({ connectionString: database.connectionString, max: 2 })
    await pool.query('CREATE TABLE orders (id text PRIMARY KEY, cents integer NOT NULL)')
    shop = await import('../examples/inbox/shop.js')
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })
  afterAll(async () => {
    await shop.pool.end()
    await pool.end()
    await database.drop()
  })

  /** Consumes what was sent until the last order is placed, and tells how often each was placed and is to be charged. */
  async function placedBy(example: Example, last: string): Promise<unknown[]> {
    const consumption = await example.consumeOrders(name)
    while ((await pool.query('SELECT FROM orders WHERE id = $1', [last])).rowCount === 0);
    await consumption.stop()
    const { rows } = await pool.query(
      `SELECT orders.id, count(e.key)::int AS charges FROM orders LEFT JOIN counterfoil.entries e ON e.key = orders.id
       WHERE starts_with(orders.id, left($1, 4)) GROUP BY orders.id ORDER BY orders.id`,
      [last],
    )
    return rows
  }

  it('receives a message once, and says what the first delivery led to', async () => {
    const { onMessage } = await import('../examples/inbox/receive.js')
    const message = { id: 'm1', order: { id: 'once', cents: 1250 } }
    expect(await Promise.all([onMessage(message), onMessage(message)])).toEqual(
      expect.arrayContaining(['once is placed', 'once was placed before']),
    )
  })

  it.runIf(rabbitAt !== undefined)('places an order once that RabbitMQ delivers twice', async () => {
    const connection = await amqp.connect(rabbitAt ?? '')
    const channel = await connection.createConfirmChannel()
    closing.push(() => connection.close())
    for (const queue of [name, `${name}.dead`]) {
      await channel.assertQueue(queue)
      closing.push(() => channel.deleteQueue(queue))
    }
    for (const id of ['amqp1', 'amqp1', 'amqp2']) {
      channel.sendToQueue(name, Buffer.from(JSON.stringify({ id, cents: 1250 })), { messageId: id })
    }
    await channel.waitForConfirms()
    const example = await import('../examples/inbox/rabbitmq.js')
    closing.push(() => example.rabbit.close())
    expect(await placedBy(example, 'amqp2')).toEqual([
      { id: 'amqp1', charges: 1 },
      { id: 'amqp2', charges: 1 },
    ])
  })

  it.runIf(natsAt !== undefined)('places an order once that NATS delivers twice', async () => {
    const connection: NatsConnection = await connect({ servers: natsAt ?? '' })
    closing.push(() => connection.close())
    const manager = await jetstreamManager(connection)
    const subjects = { [name]: [`${name}.placed`, `${name}.again`], [`${name}-dead`]: [`dead.${name}`] }
    for (const [stream, taken] of Object.entries(subjects)) {
      await manager.streams.add({ name: stream, subjects: taken, storage: 'memory', duplicate_window: 100e6 })
      closing.push(() => manager.streams.delete(stream))
    }
    await manager.consumers.add(name, { durable_name: 'shop', ack_policy: 'explicit' })
    const send = (id: string) =>
      manager.jetstream().publish(`${name}.placed`, JSON.stringify({ id, cents: 1250 }), { msgID: id })
    await send('nats1')
    // The stream's own memory of ids must not do our work here.
    while ((await send('nats1')).duplicate);
    await send('nats2')
    const example = await import('../examples/inbox/nats.js')
    closing.push(() => example.connection.close())
    expect(await placedBy(example, 'nats2')).toEqual([
      { id: 'nats1', charges: 1 },
      { id: 'nats2', charges: 1 },
    ])
  })
})

describe('docs/inbox.md', () => {
  const text = readFileSync('docs/inbox.md', 'utf8')

  test.each(readdirSync('examples/inbox'))('shows %s to the letter', (file) => {
    expect(text).toContain(readFileSync(`examples/inbox/${file}`, 'utf8'))
  })

  test('names the versions that package.json asks for', () => {
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      peerDependencies: Record<string, string>
    }
    expect(text).toContain(`\`amqplib\` ${peerDependencies.amqplib}`)
    expect(text).toContain(`\`@nats-io/nats-core\` ${peerDependencies['@nats-io/nats-core']}`)
    expect(peerDependencies['@nats-io/jetstream']).toBe(peerDependencies['@nats-io/nats-core'])
  })
})
