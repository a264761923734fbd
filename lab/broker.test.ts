import { expect, it } from 'vitest'
import type { Message } from './application.js'
import { Broker, type Consumer } from './broker.js'
import { MAX_DELIVERIES, PREFETCH } from './timing.js'

function message(id: string): Message {
  return { id, order: { id: `order of ${id}`, customer: 'c', cents: 100, card: 'pm_card_visa' } }
}

interface Held {
  readonly id: string
  readonly acknowledge: () => void
  readonly refuse: () => void
}

/** A consumer that holds what it gets until the test decides. */
class HoldingConsumer implements Consumer {
  readonly held: Held[] = []

  handle({ id }: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.held.push({ id, acknowledge: resolve, refuse: () => reject(new Error('refused')) })
    })
  }
}

it('delivers a refused message again until it is acknowledged', async () => {
  const broker = new Broker()
  let tries = 0
  broker.subscribe({
    async handle() {
      tries += 1
      if (tries < 3) throw new Error('not yet')
    },
  })
  broker.publish(message('m'))
  await broker.idle()
  expect(tries).toBe(3)
  expect(broker.dead).toEqual([])
})

it('hands what a lost consumer had in hand to another, and ignores what the lost one says later', async () => {
  const broker = new Broker()
  const lost = new HoldingConsumer()
  broker.subscribe(lost)
  broker.publish(message('m'))
  const got: string[] = []
  broker.lose(lost)
  broker.subscribe({
    async handle({ id }) {
      got.push(id)
    },
  })
  await broker.idle()
  lost.held[0]?.refuse()
  await broker.idle()
  expect(got).toEqual(['m'])
})

it('gives a message up after so many deliveries, and says which', async () => {
  const broker = new Broker()
  let losses = 0
  for (; losses < MAX_DELIVERIES; losses += 1) {
    const consumer = new HoldingConsumer()
    broker.subscribe(consumer)
    if (losses === 0) broker.publish(message('m'))
    while (consumer.held.length === 0) await new Promise(setImmediate)
    broker.lose(consumer)
  }
  await broker.idle()
  expect(broker.dead.map(({ id }) => id)).toEqual(['m'])
})

it('gives no consumer more than it may have in hand', () => {
  const broker = new Broker()
  const [one, other] = [new HoldingConsumer(), new HoldingConsumer()]
  broker.subscribe(one)
  broker.subscribe(other)
  for (let count = 0; count < 3 * PREFETCH; count += 1) broker.publish(message(`m${count}`))
  expect([one.held.length, other.held.length]).toEqual([PREFETCH, PREFETCH])
})

it('delivers a duplicate to all its consumers at once, and waits for each of them', async () => {
  const delivered: string[] = []
  const broker = new Broker(({ id }) => delivered.push(id))
  const consumers = [new HoldingConsumer(), new HoldingConsumer()]
  for (const consumer of consumers) broker.subscribe(consumer)
  broker.deliverTo(consumers, message('m'))
  expect(consumers.map(({ held }) => held.map(({ id }) => id))).toEqual([['m'], ['m']])
  expect(delivered).toEqual(['m', 'm'])
  let isIdle = false
  const idle = broker.idle().then(() => {
    isIdle = true
  })
  consumers[0]?.held[0]?.acknowledge()
  await new Promise(setImmediate)
  expect(isIdle).toBe(false)
  consumers[1]?.held[0]?.acknowledge()
  await idle
})
