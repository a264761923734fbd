import {
  ConfigurationError,
  type Duration,
  type Failing,
  type InboxMessage,
  isTransient,
  type Journal,
  type JsonValue,
  type Reason,
  type Taken,
  toJson,
  toMs,
} from '../protocol/index.js'
import { type IncomingMessage, inboxMessage } from './message.js'

/** How long messages are known. */
export interface InboxOptions {
  /**
   * The window in which a duplicate is known as one, counted from when its first delivery was received. Default 7 days.
   * A duplicate that comes later is a new message to us, so make it longer than the longest time between two deliveries
   * (an outage, a queue that was full, a replay), and think of the table's size: a row per message. A change holds for
   * messages that are received after it.
   */
  readonly retention?: Duration
}

/** What came of a message. */
export interface Received<Result> {
  /** True: an earlier delivery was received, and nothing was done now. */
  readonly duplicate: boolean
  /** What the handler returned, now or in the delivery that was received: as JSON gives it back. */
  readonly result: Result
}

/** Contention may undo a transaction before its handler was called; more often than this it is no accident. */
const TAKE_TRIES = 5

const LONGEST_RETENTION_MS = 36_500 * 86_400_000

/** Receives messages once: what names a message and what it leads to are committed together. */
export class Inbox<Tx> {
  readonly #journal: Journal<Tx>
  readonly #namespace: string
  readonly #retentionMs: number

  /** @throws {ConfigurationError} when the retention makes no sense. */
  constructor(journal: Journal<Tx>, namespace: string, options: InboxOptions) {
    this.#journal = journal
    this.#namespace = namespace
    this.#retentionMs = toMs(options.retention ?? '7d', 'inbox.retention')
    if (this.#retentionMs === 0 || this.#retentionMs > LONGEST_RETENTION_MS) {
      throw new ConfigurationError(
        `inbox.retention is ${options.retention}: it must be above 0, and 100 years at most.`,
      )
    }
  }

  /** `Counterfoil.receive` says what it promises. */
  async receive<Result>(
    message: IncomingMessage,
    handler: (tx: Tx) => Promise<Result> | Result,
  ): Promise<Received<Result>> {
    const named = this.#named(message)
    for (let tries = 1; ; tries++) {
      let begun = false
      try {
        return await this.#journal.transaction(async (tx) => {
          const taken = await this.#journal.inbox.take(tx, named)
          if (!taken.first) return duplicateOf<Result>(taken)
          begun = true
          return this.#decide(tx, named, await handler(tx))
        })
      } catch (error) {
        if (begun || tries === TAKE_TRIES || !isTransient(error)) throw error
      }
    }
  }

  /** Whoever waits for the commit, and every later duplicate, is told what this returns. */
  async #decide<Result>(tx: Tx, { id }: InboxMessage, decided: Result): Promise<Received<Result>> {
    // Most handlers decide nothing that is worth a write.
    if (decided === undefined) return { duplicate: false, result: decided }
    const result = toJson(decided, 'result')
    await this.#journal.inbox.decide(tx, id, result)
    return { duplicate: false, result: result as Result }
  }

  /** Counts that the handling of a redelivered message begins; null: it has been received. */
  countRedelivery(message: IncomingMessage): Promise<Failing | null> {
    return this.#journal.inbox.countRedelivery(this.#named(message))
  }

  /** Notes why the handling of a message failed; null: it has been received meanwhile. */
  noteFailure(
    message: IncomingMessage,
    failure: { readonly reason: Reason; readonly redelivered: boolean },
  ): Promise<Failing | null> {
    return this.#journal.inbox.noteFailure(this.#named(message), failure)
  }

  #named(message: IncomingMessage): InboxMessage {
    return inboxMessage(this.#namespace, message, this.#retentionMs)
  }
}

// The handler's own type vouches for what it returned then.
function duplicateOf<Result>(taken: Extract<Taken, { first: false }>): Received<Result> {
  const result: JsonValue | undefined = taken.result
  return { duplicate: true, result: result as Result }
}
