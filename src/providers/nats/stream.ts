import type { StreamInfo } from '@nats-io/jetstream'
import { NotExecuted, reasonOfError } from '../../protocol/index.js'
import type { Clock } from '../../system/index.js'
import type { NatsPublisher } from './publisher.js'

/** For how long a stream's answer is believed before a first call. Before a repeated one, it is asked again. */
const BELIEVED_MS = 60_000

/** What we rely on of a stream, as it says itself. */
export class StreamWindow {
  readonly #publisher: NatsPublisher
  readonly #stream: string
  readonly #windowMs: number
  readonly #clock: Clock
  #goodUntilMs = Number.NEGATIVE_INFINITY

  constructor(publisher: NatsPublisher, stream: { readonly name: string; readonly windowMs: number }, clock: Clock) {
    this.#publisher = publisher
    this.#stream = stream.name
    this.#windowMs = stream.windowMs
    this.#clock = clock
  }

  /**
   * Makes sure that the stream drops duplicates for as long as we count on.
   *
   * @throws {NotExecuted} it does not, or it cannot be asked. After an earlier call that may have been stored, this one is
   * not sent either: the doubt stays until the stream is as promised, or the window is over.
   */
  async check(isRepeated: boolean): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if (!isRepeated && nowMs < this.#goodUntilMs) return
    const problem = problemOf(await this.#ask(), this.#windowMs)
    if (problem === null) {
      this.#goodUntilMs = nowMs + BELIEVED_MS
      return
    }
    this.#goodUntilMs = Number.NEGATIVE_INFINITY
    throw new NotExecuted('window_too_short', `The stream ${this.#stream} ${problem}. Nothing was sent.`)
  }

  async #ask(): Promise<StreamInfo> {
    const { js } = await this.#publisher.open()
    try {
      const manager = await js.jetstreamManager(false)
      return await manager.streams.info(this.#stream)
    } catch (cause) {
      const { message } = reasonOfError(cause)
      throw new NotExecuted(
        'stream_unknown',
        `The stream ${this.#stream} could not be asked for its window, so nothing was sent: ${message}`,
        { cause },
      )
    }
  }
}

const NANOS_PER_MS = 1_000_000

/** Why the stream does not drop duplicates for that long; null: it does. */
function problemOf({ config }: StreamInfo, windowMs: number): string | null {
  const actualMs = config.duplicate_window / NANOS_PER_MS
  if (actualMs < windowMs) {
    return `drops duplicates for ${actualMs} ms, and ${windowMs} ms were promised: set duplicateWindow to what it does`
  }
  // A restarted server knows the ids of messages that it still has. Tried with nats-server 2.9: after a restart, a work
  // queue stores a consumed message again.
  if (config.retention !== 'limits') {
    return `has the retention ${config.retention}, with which the server forgets what was consumed when it restarts: use consumersDedupeFor`
  }
  const ageMs = config.max_age / NANOS_PER_MS
  if (ageMs !== 0 && ageMs < windowMs) {
    return `deletes messages after ${ageMs} ms, and their ids with them when it restarts, before the ${windowMs} ms are over`
  }
  return null
}
