import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ask, nextMessage } from '../channel.js'

/** What the service's process is told. */
export type ServiceOrder =
  | { readonly do: 'reset'; readonly latencyMs: number }
  | { readonly do: 'answer at once' }
  | { readonly do: 'tell' }

/** What came to the service since it was reset. */
export interface ServiceAnswer {
  readonly charges: number
  /** Different keys among them. */
  readonly keys: number
  /** Keys that were charged more than once. */
  readonly twice: number
  /** Charges made and not answered yet. */
  readonly waiting: number
}

/** The service's process, from outside. */
export class ServiceProcess {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  static async start(): Promise<ServiceProcess> {
    const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), { execArgv: [] })
    const { url } = (await nextMessage(child)) as { url: string }
    return new ServiceProcess(url, child)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Forgets all charges, and answers from now on after `latencyMs`. */
  async reset(latencyMs: number): Promise<void> {
    await this.#ask({ do: 'reset', latencyMs })
  }

  /** From now on, charges are answered at once; what was charged stays known. */
  async answerAtOnce(): Promise<void> {
    await this.#ask({ do: 'answer at once' })
  }

  tell(): Promise<ServiceAnswer> {
    return this.#ask({ do: 'tell' })
  }

  stop(): void {
    this.#child.disconnect()
  }

  async #ask(order: ServiceOrder): Promise<ServiceAnswer> {
    return (await ask(this.#child, order)) as ServiceAnswer
  }
}
