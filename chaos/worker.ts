import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Gateway } from './shop.js'
import { removeTracesOf, type WallClock } from './wall-clock.js'

export interface WorkerPlan {
  readonly databaseUrl: string
  /** Null: leases are kept beside the journal. */
  readonly redisPort: number | null
  readonly gateway: Gateway
}

export type Message = { readonly ready: true } | { readonly error: string } | { readonly wallMs: number }

/** A worker process, seen from outside. */
export class Worker {
  /** Who it is in the gateway's log. */
  readonly client: string
  readonly #child: ChildProcess
  readonly #onError: (message: string) => void
  /** Resolves when it has started to work; never, if it is killed before. */
  readonly ready: Promise<void>
  readonly exited: Promise<unknown>
  #tellWallMs: (wallMs: number) => void = () => undefined

  /** `wallClock`: its own, or null for the machine's. */
  constructor(plan: WorkerPlan, wallClock: WallClock | null, onError: (message: string) => void) {
    const isSource = import.meta.url.endsWith('.ts')
    const program = fileURLToPath(new URL(isSource ? './worker-process.ts' : './worker-process.js', import.meta.url))
    this.client = plan.gateway.client
    this.#onError = onError
    this.#child = fork(program, [JSON.stringify(plan)], {
      execArgv: isSource ? ['--import', 'tsx'] : [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ...wallClock?.environment },
    })
    const { pid } = this.#child
    this.exited = once(this.#child, 'exit').then(async () => {
      if (wallClock !== null && pid !== undefined) await removeTracesOf(pid)
    })
    this.ready = new Promise((resolve) => {
      this.#child.on('message', (message: Message) => {
        if ('ready' in message) resolve()
        else if ('wallMs' in message) this.#tellWallMs(message.wallMs)
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

  /** What its wall clock says. @throws {Error} if it ends before it has answered. */
  async wallMs(): Promise<number> {
    const answer = new Promise<number>((resolve) => {
      this.#tellWallMs = resolve
    })
    if (this.isAlive) this.#child.send('what time is it?', () => undefined)
    const wallMs = await Promise.race([answer, this.exited.then(() => null)])
    if (wallMs === null) throw new Error('The worker ended before it told its time.')
    return wallMs
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return
    this.#child.kill('SIGKILL')
    await this.exited
  }
}
