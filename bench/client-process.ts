import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ask } from './channel.js'
import type { ClientOrder, DuplicatesAnswered, Measured } from './client-channel.js'

/**
 * For every system alike: Node's own 16 MiB are collected so often under such a load, that most of what is in flight is
 * copied at each collection.
 */
export const NODE_SETTINGS = ['--max-semi-space-size=64']

/** How long to wait for a client that closes its system before it is ended. */
const CLOSE_MS = 10_000

/** Beyond the time that an order itself names: many times what any of them takes. */
const ANSWER_MS = 120_000

type Opening = Omit<Extract<ClientOrder, { do: 'open' }>, 'do'>

/** The client's process, from outside. */
export class ClientProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async open(opening: Opening, execArgv: readonly string[] = []): Promise<ClientProcess> {
    const program = fileURLToPath(new URL('./client.js', import.meta.url))
    const child = fork(program, [], {
      execArgv: [...NODE_SETTINGS, ...execArgv],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const client = new ClientProcess(child)
    try {
      await client.#ask({ do: 'open', ...opening })
    } catch (error) {
      client.kill()
      throw error
    }
    return client
  }

  async warm(outstanding: number, forMs: number): Promise<void> {
    await this.#ask({ do: 'warm', outstanding, forMs })
  }

  async measure(outstanding: number, forMs: number): Promise<Measured> {
    return (await this.#ask({ do: 'measure', outstanding, forMs })) as Measured
  }

  async duplicates(series: string, keys: number, times: number): Promise<DuplicatesAnswered> {
    return (await this.#ask({ do: 'duplicates', series, keys, times })) as DuplicatesAnswered
  }

  async fixed(orders: number, untilMs: number): Promise<void> {
    await this.#ask({ do: 'fixed', orders, untilMs })
  }

  /** Ends it at once, as a crash would. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Lets the system close and the process end; one that does not is ended. */
  async close(): Promise<void> {
    const gone = once(this.#child, 'exit')
    const late = setTimeout(() => this.kill(), CLOSE_MS)
    await this.#ask({ do: 'close' }).catch(() => undefined)
    if (this.#child.connected) this.#child.disconnect()
    await gone
    clearTimeout(late)
  }

  /** @throws {Error} where no answer comes: a system that has lost an order would have the whole run wait for it. */
  async #ask(order: ClientOrder): Promise<unknown> {
    const patienceMs = ANSWER_MS + ('forMs' in order ? order.forMs : 0)
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.kill()
        reject(new Error(`The client did not end ${JSON.stringify(order)} within ${patienceMs / 1000} s.`))
      }, patienceMs)
    })
    try {
      return await Promise.race([ask(this.#child, order), tooLong])
    } finally {
      clearTimeout(timer)
    }
  }
}
