import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Gateway } from './shop.js'

export interface WorkerPlan {
  readonly databaseUrl: string
  /** Null: leases are kept beside the journal. */
  readonly redisPort: number | null
  readonly gateway: Gateway
}

type Message = { readonly ready: true } | { readonly error: string }

/** A worker process, seen from outside. */
export class Worker {
  readonly #child: ChildProcess
  readonly #onError: (message: string) => void
  /** Resolves when it has started to work; never, if it is killed before. */
  readonly ready: Promise<void>
  readonly exited: Promise<unknown>

  constructor(plan: WorkerPlan, onError: (message: string) => void) {
    const isSource = import.meta.url.endsWith('.ts')
    const program = fileURLToPath(new URL(isSource ? './worker-process.ts' : './worker-process.js', import.meta.url))
    this.#onError = onError
    this.#child = fork(program, [JSON.stringify(plan)], {
      execArgv: isSource ? ['--import', 'tsx'] : [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.exited = once(this.#child, 'exit')
    this.ready = new Promise((resolve) => {
      this.#child.on('message', (message: Message) => {
        if ('ready' in message) resolve()
        else this.#onError(message.error)
      })
    })
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** How it ended, if it did: a signal's name, or an exit code. */
  get end(): string | null {
    return this.#child.signalCode ?? (this.#child.exitCode === null ? null : `exit code ${this.#child.exitCode}`)
  }

  signal(signal: 'SIGCONT' | 'SIGKILL' | 'SIGSTOP' | 'SIGTERM'): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return
    this.#child.kill('SIGKILL')
    await this.exited
  }
}
