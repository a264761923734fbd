import type { Call, Entry, JournalTime } from '../protocol/index.js'
import type { Clock, Deadline, Deadlines, Due } from '../system/index.js'

/** How the provider's code ended. */
export type Ended = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** It did not end by its deadline. */
export const ABANDONED: unique symbol = Symbol('abandoned')

const SELF: unique symbol = Symbol('call')

/** After the deadline, this much longer for the provider's code to notice the abort and stop by itself. */
const ABORT_GRACE_MS = 250

/** How long a call may take. */
export interface CallTime {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** On the monotonic clock. */
  readonly deadlineMs: number
}

/**
 * A call to the service as the provider's code sees it, with a signal only for who asks for one: every effect comes
 * through here.
 */
export class TimedCall implements Call, Due {
  /**
   * A property of each call's own, which a copy of it (`{ ...call }`) takes along, unlike a getter of the class; and
   * one getter for all, unlike that of an object literal, which V8 makes anew for each call, with a shape of its own.
   */
  static readonly #signal: PropertyDescriptor & ThisType<TimedCall> = {
    enumerable: true,
    get() {
      return this[SELF].#currentSignal()
    },
  }

  readonly reference: string
  readonly key: string
  readonly generation: number
  readonly attempt: number
  readonly namespace: string
  readonly effect: string
  readonly firstSentAtMs: JournalTime | null
  readonly lastDeadlineAtMs: JournalTime | null
  declare readonly signal: AbortSignal
  /** Whose signal it is, also where the getter is asked by way of what a provider has put around the call. */
  readonly [SELF]: TimedCall = this
  /** No method: a provider may take it out of the call. */
  readonly remainingMs: () => number
  readonly #deadlines: Deadlines
  readonly #deadlineMs: number
  #onEnd: ((ended: Ended | typeof ABANDONED) => void) | null = null
  #deadline: Deadline | null = null
  #controller: AbortController | null = null
  #isOver = false
  #isInGrace = false

  constructor(entry: Entry, { clock, deadlines, deadlineMs }: CallTime) {
    this.reference = entry.reference
    this.key = entry.key
    this.generation = entry.generation
    this.attempt = Math.max(1, entry.attempts)
    this.namespace = entry.namespace
    this.effect = entry.effect
    this.firstSentAtMs = entry.firstSentAtMs
    this.lastDeadlineAtMs = entry.lastDeadlineAtMs
    this.remainingMs = () => Math.max(0, deadlineMs - clock.monotonicMs())
    this.#deadlines = deadlines
    this.#deadlineMs = deadlineMs
    Object.defineProperty(this, 'signal', TimedCall.#signal)
  }

  /**
   * Makes the call, and tells how it ended, once. At the deadline the signal aborts, and a little later the call is
   * abandoned: of what comes afterwards nobody hears.
   */
  make(send: (call: Call) => Promise<unknown>, onEnd: (ended: Ended | typeof ABANDONED) => void): void {
    this.#onEnd = onEnd
    this.#deadline = this.#deadlines.at(this.#deadlineMs, this)
    sent(send, this).then(
      (value) => this.#end({ ok: true, value }),
      (error: unknown) => this.#end({ ok: false, error }),
    )
  }

  #currentSignal(): AbortSignal {
    // A process that was stopped and woken may come here before any timer has fired.
    if (this.remainingMs() === 0) this.#abort()
    this.#controller ??= new AbortController()
    if (this.#isOver) this.#controller.abort(timeIsOver())
    return this.#controller.signal
  }

  /** The deadline has come, or what it leaves the provider's code to stop in is over. */
  onDue(): void {
    if (this.#isInGrace) {
      this.#end(ABANDONED)
      return
    }
    this.#isInGrace = true
    this.#abort()
    this.#deadline = this.#deadlines.after(ABORT_GRACE_MS, this)
  }

  #end(ended: Ended | typeof ABANDONED): void {
    const onEnd = this.#onEnd
    if (onEnd === null) return
    this.#onEnd = null
    if (this.#deadline !== null) this.#deadlines.remove(this.#deadline)
    onEnd(ended)
  }

  #abort(): void {
    this.#isOver = true
    this.#controller?.abort(timeIsOver())
  }
}

function timeIsOver(): DOMException {
  return new DOMException('The time to act is over.', 'TimeoutError')
}

/** A provider's code may throw before it has a promise to give, and give what is none. */
function sent(send: (call: Call) => Promise<unknown>, call: Call): Promise<unknown> {
  try {
    return Promise.resolve(send(call))
  } catch (error) {
    return Promise.reject(error)
  }
}
