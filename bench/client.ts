/** A process of its own for the system under measure, so that its CPU and memory are told apart from all else. */
import { randomUUID } from 'node:crypto'
import type { ClientOrder, DuplicatesAnswered, Measured } from './client-channel.js'
import { PaymentService } from './service/client.js'
import { percentile } from './statistics.js'
import { type OpenSystem, orderOf } from './system.js'
import { findSystem } from './systems/index.js'

/** Connections to the service; the package's own bound of calls under way is the same. */
const SERVICE_CONNECTIONS = 256

let open: OpenSystem | null = null
let service: PaymentService | null = null

process.on('message', (order: ClientOrder) => {
  obey(order).then(
    (answer) => process.send?.(answer ?? {}),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))

async function obey(order: ClientOrder): Promise<object | undefined> {
  switch (order.do) {
    case 'open':
      service = new PaymentService(order.serviceUrl, SERVICE_CONNECTIONS)
      open = await findSystem(order.system).open({ ...order, service })
      return
    case 'warm':
      await load(system(), order.outstanding, order.forMs)
      return
    case 'measure':
      return load(system(), order.outstanding, order.forMs)
    case 'duplicates':
      return duplicates(system(), order)
    case 'fixed':
      await fixed(system(), order.orders, order.untilMs)
      return
    case 'close':
      await system().close()
      await service?.close()
      return
  }
}

function system(): OpenSystem {
  if (open === null) throw new Error('The client was not opened.')
  return open
}

/** A closed loop: as soon as one order is done, its caller asks for the next. */
async function load({ perform, beside }: OpenSystem, outstanding: number, forMs: number): Promise<Measured> {
  const run = randomUUID()
  const latencies: number[] = []
  let next = 0
  let inTime = 0
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const endMs = startedMs + forMs
  const caller = async (): Promise<void> => {
    for (;;) {
      const askedMs = performance.now()
      if (askedMs >= endMs) return
      await perform(orderOf(`${run}-${next++}`))
      const doneMs = performance.now()
      latencies.push(doneMs - askedMs)
      if (doneMs < endMs) inTime++
    }
  }
  const over = new AbortController()
  const going = beside?.(over.signal)
  await Promise.all(Array.from({ length: outstanding }, caller))
  over.abort()
  await going
  const { user, system } = process.cpuUsage(cpu)
  return {
    inTime,
    tookMs: forMs,
    done: latencies.length,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMs: (user + system) / 1000,
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
  }
}

async function duplicates(
  { perform }: OpenSystem,
  { series, keys, times }: Extract<ClientOrder, { do: 'duplicates' }>,
): Promise<DuplicatesAnswered> {
  const startedMs = performance.now()
  const callers = Array.from({ length: keys * times }, (_, i) => perform(orderOf(`${series}-${i % keys}`)))
  const answers = await Promise.allSettled(callers)
  const tookMs = performance.now() - startedMs
  const errors = answers.filter((each) => each.status === 'rejected')
  const answered = answers.filter((each) => each.status === 'fulfilled')
  const receipts = answered.filter(({ value }) => value !== null).length
  const firstError = errors[0] === undefined ? null : String(errors[0].reason).slice(0, 200)
  return { tookMs, receipts, done: answered.length - receipts, errors: errors.length, firstError }
}

/** Each caller asks again after an error, as a redelivered message would, until the time is over. */
async function fixed({ perform }: OpenSystem, orders: number, untilMs: number): Promise<void> {
  const endMs = performance.now() + untilMs
  const caller = async (i: number): Promise<void> => {
    while (performance.now() < endMs) {
      try {
        await perform(orderOf(`fixed-${i}`))
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
  const over = new Promise<void>((resolve) => setTimeout(resolve, untilMs))
  await Promise.race([Promise.all(Array.from({ length: orders }, (_, i) => caller(i))), over])
}
