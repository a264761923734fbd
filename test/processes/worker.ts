import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** How a worker process is set up. */
export interface Plan {
  readonly postgresUrl: string
  readonly gatewayUrl: string
  readonly doubt: 'park' | 'key' | 'find'
  readonly keyWindowMs?: number
  readonly timeoutMs?: number
  readonly leaseGraceMs?: number
  readonly waitMs?: number
  readonly listen?: boolean
  readonly resolver?: boolean
  /** Stops itself there: when the claim of this key is committed, before anything hears of it; or right before its request. */
  readonly stops?: { readonly at: 'claimed' | 'sending'; readonly key: string }
}

export type Command = { readonly do: 'perform'; readonly keys: readonly string[] } | { readonly do: 'stop' }

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'receipt'; readonly key: string; readonly receipt: string }
  | { readonly kind: 'failed'; readonly key: string; readonly state: string; readonly message: string }
  | { readonly kind: 'state'; readonly key: string; readonly state: string }

/** What a caller of `perform` was told. */
export interface Answer {
  readonly key: string
  readonly receipt: string | null
  readonly state: string | null
}

/** A process of an application that performs effects: a real one, so that it can be killed and stopped. */
export class WorkerProcess {
  readonly child: ChildProcess
  readonly reports: Report[] = []
  readonly #listeners = new Set<() => void>()

  private constructor(child: ChildProcess) {
    this.child = child
    child.on('message', (report: Report) => {
      this.reports.push(report)
      for (const listener of this.#listeners) listener()
    })
    child.on('exit', () => {
      for (const listener of this.#listeners) listener()
    })
  }

  static async start(plan: Plan): Promise<WorkerProcess> {
    const fixture = fileURLToPath(new URL('./worker.fixture.ts', import.meta.url))
    const child = fork(fixture, [JSON.stringify(plan)], { execArgv: ['--import', 'tsx'] })
    const worker = new WorkerProcess(child)
    await worker.until((reports) => reports.some((report) => report.kind === 'ready'))
    return worker
  }

  perform(...keys: string[]): void {
    this.child.send({ do: 'perform', keys } satisfies Command)
  }

  /** Resolves when what it has reported so far satisfies `enough`. */
  until(enough: (reports: readonly Report[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!enough(this.reports)) {
          if (!this.#isGone()) return
          this.#listeners.delete(look)
          reject(
            new Error(
              `The worker ended (${this.child.exitCode ?? this.child.signalCode}) before it had reported enough.`,
            ),
          )
          return
        }
        this.#listeners.delete(look)
        resolve()
      }
      this.#listeners.add(look)
      look()
    })
  }

  /** Answers of `perform`, as they came: a receipt's id, or the state in which the caller was left. */
  answers(): Answer[] {
    return this.reports.flatMap((report): Answer[] => {
      if (report.kind === 'receipt') return [{ key: report.key, receipt: report.receipt, state: null }]
      if (report.kind === 'failed') return [{ key: report.key, receipt: null, state: report.state }]
      return []
    })
  }

  async signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    if (this.#isGone()) return
    const gone = signal === 'SIGKILL' ? once(this.child, 'exit') : null
    this.child.kill(signal)
    await gone
  }

  async stop(): Promise<void> {
    if (this.#isGone()) return
    const gone = once(this.child, 'exit')
    this.child.send({ do: 'stop' } satisfies Command)
    await gone
  }

  /** Asks it to end (SIGTERM) and resolves when it has: with its exit code, null if it did not end by itself. */
  async terminate(): Promise<number | null> {
    if (!this.#isGone()) {
      const gone = once(this.child, 'exit')
      this.child.kill('SIGTERM')
      await gone
    }
    return this.child.exitCode
  }

  #isGone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }
}
