import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Message } from './application.js'
import type { Consumer } from './broker.js'
import type { FromWorker, ToWorker, WorkOrder } from './ipc.js'

interface Pending {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** All workers that live, so that none outlives the lab; a frozen one would not notice its end. */
const alive = new Set<WorkerProcess>()

/** SIGKILLs every worker at once. */
export function killAllWorkers(): void {
  for (const worker of alive) worker.killNow()
}

/** A worker process, seen from outside: a consumer of the broker, which can be killed, frozen and woken. */
export class WorkerProcess implements Consumer {
  readonly #child: ChildProcess
  readonly #deliveries = new Map<number, Pending>()
  /** Resolves when the process is gone. */
  readonly exited: Promise<unknown>
  #answer: Pending | null = null
  #wasKilled = false
  #lastDelivery = 0
  #atGate = 0
  #gateWaiters: { readonly count: number; readonly resolve: () => void }[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    this.exited = once(child, 'exit')
    child.on('message', (message: FromWorker) => this.#receive(message))
    child.once('exit', (code, signal) => {
      alive.delete(this)
      const error = new Error(`Worker ${child.pid} ended (${signal ?? `exit code ${code}`}).`)
      this.#answer?.reject(error)
      for (const delivery of this.#deliveries.values()) delivery.reject(error)
      this.#deliveries.clear()
    })
    alive.add(this)
  }

  /** Starts a worker and waits until it can be given a cell. */
  static async start(): Promise<WorkerProcess> {
    const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
    const execArgv = import.meta.url.endsWith('.ts') ? ['--import', 'tsx'] : []
    const worker = new WorkerProcess(
      fork(fileURLToPath(program), { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    )
    await new Promise<void>((resolve, reject) => {
      worker.#answer = { resolve, reject }
    })
    return worker
  }

  /** Its end was wanted. */
  get wasKilled(): boolean {
    return this.#wasKilled
  }

  get isAlive(): boolean {
    return alive.has(this)
  }

  open(work: WorkOrder): Promise<void> {
    this.#atGate = 0
    return this.#ask({ type: 'open', work })
  }

  /** Finishes what is under way and lets the cell go. */
  close(): Promise<void> {
    return this.#ask({ type: 'close' })
  }

  /** Runs the strategy's nightly job. */
  audit(work: WorkOrder): Promise<void> {
    return this.#ask({ type: 'audit', work })
  }

  handle(message: Message): Promise<void> {
    this.#lastDelivery += 1
    const delivery = this.#lastDelivery
    return new Promise((resolve, reject) => {
      if (!this.isAlive) return reject(new Error('The worker is gone.'))
      this.#deliveries.set(delivery, { resolve, reject })
      this.#send({ type: 'deliver', delivery, message })
    })
  }

  /** Resolves when so many calls of the cell stand at the closed gate. */
  async atGate(count: number): Promise<void> {
    if (this.#atGate >= count) return
    await new Promise<void>((resolve) => this.#gateWaiters.push({ count, resolve }))
  }

  openGate(): void {
    this.#send({ type: 'open_gate' })
  }

  /** SIGSTOP: from one instruction to the next it stands still, as under a hypervisor that looks elsewhere. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  wake(): void {
    this.#child.kill('SIGCONT')
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.killNow()
    await this.exited
  }

  killNow(): void {
    this.#wasKilled = true
    this.#child.kill('SIGKILL')
  }

  /** Lets the process end by itself. */
  async end(): Promise<void> {
    if (!this.isAlive) return
    this.#wasKilled = true
    this.#child.disconnect()
    await this.exited
  }

  #ask(message: ToWorker): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) return reject(new Error('The worker is gone.'))
      this.#answer = { resolve, reject }
      this.#send(message)
    })
  }

  #send(message: ToWorker): void {
    // A worker that was just killed takes nothing any more; whoever waits for it hears of its end.
    this.#child.send(message, () => undefined)
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#answered(null)
        break
      case 'done':
        this.#answered(message.error)
        break
      case 'handled':
        this.#handled(message.delivery, message.error)
        break
      case 'at_gate':
        this.#arrived(message.waiting)
    }
  }

  #arrived(waiting: number): void {
    this.#atGate = waiting
    for (const waiter of this.#gateWaiters) if (waiting >= waiter.count) waiter.resolve()
    this.#gateWaiters = this.#gateWaiters.filter((waiter) => waiter.count > waiting)
  }

  #answered(error: string | null): void {
    const answer = this.#answer
    this.#answer = null
    if (error === null) answer?.resolve()
    else answer?.reject(new Error(error))
  }

  #handled(delivery: number, error: string | null): void {
    const pending = this.#deliveries.get(delivery)
    this.#deliveries.delete(delivery)
    if (error === null) pending?.resolve()
    else pending?.reject(new Error(error))
  }
}
