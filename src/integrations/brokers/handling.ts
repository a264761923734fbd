import { backoffMs } from '../../engine/backoff.js'
import { tell } from '../../engine/context.js'
import type { Counterfoil } from '../../engine/index.js'
import { type Receiving, receivingOf } from '../../engine/receiving.js'
import { Slots } from '../../engine/slots.js'
import {
  InvalidMessageError,
  isTransient,
  JournalError,
  PoisonMessageError,
  type Reason,
  reasonOfError,
} from '../../protocol/index.js'
import type { ConsumerLimits, ConsumerOptions, DeadLetter } from './options.js'

/** One delivery of a message by a broker, and the three ways in which it may end. */
export interface Delivery<Message> {
  readonly message: Message
  /** The message's own id; undefined where it has none, so that nobody could tell a duplicate of it. */
  readonly id: string | undefined
  /** The broker says that it was delivered before. */
  readonly redelivered: boolean
  /** It is done with. */
  acknowledge(): void
  /** It is to be delivered again, after `delayMs` or, once `signal` has aborted, at once. */
  giveBack(delayMs: number, signal: AbortSignal): Promise<void>
  /** Puts it among the dead letters and, only when it surely is there, acknowledges it. */
  bury(why: DeadLetter): Promise<void>
  /** Called when it has ended, however it did. */
  ended?(): void
}

/** While the journal cannot be used, messages wait here, and are not counted as failed. */
const JOURNAL_RETRY = { retryFirstMs: 100, retryLongestMs: 5_000 }

/** How long to leave a message alone that could not even be buried. */
const LATER_MS = 30_000

type Handled<Tx, Message, Result> = Pick<
  ConsumerOptions<Tx, Message, Result>,
  'handler' | 'onReceived' | 'onDeadLetter' | 'onError'
> & {
  readonly source: string
  readonly consumer: string
  readonly limits: ConsumerLimits
}

/**
 * What becomes of the deliveries of one consumer, whatever the broker: received and then acknowledged, given back to be
 * delivered again, or buried with a reason.
 */
export class Handling<Tx, Message, Result> {
  readonly clock: Receiving<Tx>['clock']
  readonly #receiving: Receiving<Tx>
  readonly #counterfoil: Counterfoil<Tx>
  readonly #options: Handled<Tx, Message, Result>
  readonly #stopping = new AbortController()
  readonly #slots: Slots
  readonly #underWay = new Set<Promise<void>>()

  constructor(counterfoil: Counterfoil<Tx>, options: Handled<Tx, Message, Result>) {
    this.#counterfoil = counterfoil
    this.#receiving = receivingOf(counterfoil)
    this.clock = this.#receiving.clock
    this.#options = options
    this.#slots = new Slots(options.limits.concurrency)
  }

  /** Aborts when no more messages are to be begun. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** How many more messages may be begun, once it is one at least. */
  async free(): Promise<number> {
    for (;;) {
      const free = this.#options.limits.concurrency - this.#underWay.size
      if (free > 0) return free
      await Promise.race(this.#underWay)
    }
  }

  report(error: unknown): void {
    tell(() => this.#options.onError?.(error))
  }

  /** How long to wait after `failures` in a row. */
  backoffMs(failures: number, delay: { readonly retryFirstMs: number; readonly retryLongestMs: number }): number {
    return backoffMs(this.#receiving.randomness, failures, delay)
  }

  /** Begins no more, and resolves when what was begun has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Handles a delivery to its end. It never rejects: a delivery that cannot be ended is delivered again by the broker. */
  handle(delivery: Delivery<Message>): Promise<void> {
    const handling = this.#slots
      .use(() => this.#handle(delivery))
      .catch((error: unknown) => {
        this.report(error)
        return delivery.giveBack(LATER_MS, this.stopping)
      })
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.#underWay.delete(handling)
        delivery.ended?.()
      })
    this.#underWay.add(handling)
    return handling
  }

  async #handle(delivery: Delivery<Message>): Promise<void> {
    const { id } = delivery
    if (this.stopping.aborted) return delivery.giveBack(0, this.stopping)
    if (id === undefined || id === '') return this.#bury(delivery, NO_ID, 1)
    try {
      if (delivery.redelivered && (await this.#isExhausted(delivery, id))) return
      const received = await this.#receive(delivery, id)
      if (received === null) return delivery.giveBack(0, this.stopping)
      tell(() => this.#options.onReceived?.(delivery.message, received))
      delivery.acknowledge()
    } catch (error) {
      await this.#failed(delivery, id, error)
    }
  }

  /** Receives the message; null: the journal could not be used until the consumer was stopped. */
  async #receive(delivery: Delivery<Message>, id: string) {
    const { handler } = this.#options
    return this.#onceJournalWorks(async () => {
      let begun = false
      try {
        return await this.#counterfoil.receive(this.#named(id), (tx) => {
          begun = true
          return handler(tx, delivery.message)
        })
      } catch (error) {
        // What the journal refuses for good before the handler has begun is no fault of the message either.
        if (error instanceof JournalError && (!begun || isTransient(error))) throw new JournalTrouble(error)
        throw error
      }
    })
  }

  /** A message that was begun too often is buried without being begun again: it may be what ends its process. */
  async #isExhausted(delivery: Delivery<Message>, id: string): Promise<boolean> {
    const failing = await this.#onceJournalWorks(() =>
      orTrouble(() => this.#receiving.inbox.countRedelivery(this.#named(id))),
    )
    if (failing === null || failing.begun <= this.#options.limits.maxDeliveries) return false
    await this.#bury(delivery, failing.reason ?? NO_WORD, failing.begun - 1)
    return true
  }

  async #failed(delivery: Delivery<Message>, id: string, error: unknown): Promise<void> {
    this.report(error)
    const { limits } = this.#options
    const reason = reasonOfError(error)
    if (error instanceof InvalidMessageError) return this.#bury(delivery, reason, 1)
    const { redelivered } = delivery
    const failing = await this.#onceJournalWorks(() =>
      orTrouble(() => this.#receiving.inbox.noteFailure(this.#named(id), { reason, redelivered })),
    )
    const begun = failing?.begun ?? 1
    if (error instanceof PoisonMessageError) return this.#bury(delivery, reason, begun)
    if (failing !== null && begun >= limits.maxDeliveries) return this.#bury(delivery, reason, begun)
    await delivery.giveBack(this.backoffMs(begun, limits), this.stopping)
  }

  async #bury(delivery: Delivery<Message>, reason: Reason, deliveries: number): Promise<void> {
    const why = { ...reason, deliveries }
    try {
      await delivery.bury(why)
    } catch (error) {
      // Better delivered for ever than lost.
      this.report(error)
      return delivery.giveBack(LATER_MS, this.stopping)
    }
    tell(() => this.#options.onDeadLetter?.(delivery.message, why))
  }

  /** Waits for the journal, however long; null: the consumer was stopped meanwhile. */
  async #onceJournalWorks<T>(work: () => Promise<T>): Promise<T | null> {
    for (let failures = 1; ; failures++) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof JournalTrouble)) throw error
        this.report(error.cause)
        await this.clock.sleep(this.backoffMs(failures, JOURNAL_RETRY), this.stopping)
        if (this.stopping.aborted) return null
      }
    }
  }

  #named(id: string) {
    const { source, consumer } = this.#options
    return { source, consumer, id }
  }
}

/** Sets apart the journal's trouble from a JournalError that is the handler's. */
class JournalTrouble extends Error {
  constructor(cause: JournalError) {
    super(cause.message, { cause })
  }
}

async function orTrouble<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof JournalError ? new JournalTrouble(error) : error
  }
}

const NO_ID: Reason = {
  code: 'no_message_id',
  message: 'The message has no id, so a duplicate of it could not be told from a new one.',
}

const NO_WORD: Reason = {
  code: 'process_ended',
  message: 'Each time that its handling began, the process ended without a word.',
}
