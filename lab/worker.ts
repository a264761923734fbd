/** A worker: a process of its own that handles messages by one strategy, for one cell after another. */
import { GatedAgent } from './gate.js'
import type { FromWorker, ToWorker, WorkOrder } from './ipc.js'
import { servicesOf } from './services.js'
import { findStrategy } from './strategies/index.js'
import type { Handler } from './strategy.js'

interface OpenCell {
  readonly handler: Handler
  readonly agent: GatedAgent
}

let open: OpenCell | null = null
const underWay = new Set<Promise<void>>()

process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole process group; the lab itself ends its workers, in order.
process.on('SIGINT', () => undefined)
process.on('message', (message: ToWorker) => void receive(message))
tell({ type: 'ready' })

async function receive(message: ToWorker): Promise<void> {
  switch (message.type) {
    case 'open':
      return answering(() => openCell(message.work))
    case 'close':
      return answering(closeCell)
    case 'audit':
      return answering(() => audit(message.work))
    case 'open_gate':
      return open?.agent.open()
    case 'deliver': {
      const handling = handle(message).finally(() => underWay.delete(handling))
      underWay.add(handling)
    }
  }
}

async function openCell(work: WorkOrder): Promise<void> {
  if (open !== null) throw new Error('The worker has a cell open already.')
  const agent = new GatedAgent(work.gateClosed, (waiting) => tell({ type: 'at_gate', waiting }))
  const strategy = findStrategy(work.strategy, work.gatewayLevel)
  open = { handler: await strategy.start(servicesOf(work.address, strategy, agent)), agent }
}

async function closeCell(): Promise<void> {
  const closing = open
  await Promise.all(underWay)
  open = null
  await closing?.handler.stop()
  closing?.agent.destroy()
}

async function audit(work: WorkOrder): Promise<void> {
  const agent = new GatedAgent(false, () => undefined)
  const strategy = findStrategy(work.strategy, work.gatewayLevel)
  await strategy.audit?.(servicesOf(work.address, strategy, agent))
  agent.destroy()
}

async function handle({ delivery, message }: ToWorker & { type: 'deliver' }): Promise<void> {
  try {
    if (open === null) throw new Error('The worker has no cell open.')
    await open.handler.handle(message)
    tell({ type: 'handled', delivery, error: null })
  } catch (error) {
    tell({ type: 'handled', delivery, error: String(error) })
  }
}

async function answering(work: () => Promise<void>): Promise<void> {
  try {
    await work()
    tell({ type: 'done', error: null })
  } catch (error) {
    tell({ type: 'done', error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}
