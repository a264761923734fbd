import { EffectInDoubt, EffectNotBegun, type Entry, hasAnswer, JournalError } from '../protocol/index.js'
import type { Deadline, Deadlines, Due } from '../system/index.js'
import { answerOf } from './answer.js'
import { identityOf } from './context.js'
import type { Drive, Waiting } from './drive.js'

/** How one caller waits. */
export interface Waits {
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

/** The two ends of the promise that a caller was given. */
export interface Answering {
  resolve(answer: unknown): void
  reject(error: unknown): void
}

/**
 * One who has asked for an effect: waits for its drive, no longer than he likes to, and is answered once.
 *
 * Every effect comes through here, so it is no race of a promise of the drive's against the time: what those hold waits
 * with each effect, and is copied by each collection of garbage.
 */
export class Caller<Tx> implements Waiting, Due {
  readonly #drive: Drive<Tx>
  readonly #answering: Answering
  readonly #deadlines: Deadlines
  readonly #deadline: Deadline
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | null = null

  constructor(drive: Drive<Tx>, deadlines: Deadlines, { waitMs, signal }: Waits, answering: Answering) {
    this.#drive = drive
    this.#answering = answering
    this.#deadlines = deadlines
    this.#deadline = deadlines.after(waitMs, this)
    this.#signal = signal
    drive.enter(this)
    if (signal === undefined) return
    this.#onAbort = () => this.onDue()
    if (signal.aborted) this.onDue()
    else signal.addEventListener('abort', this.#onAbort)
  }

  /** The drive has come to rest, with the entry as it then stands. */
  end(entry: Entry): void {
    this.#waitNoMore()
    this.#answer(entry)
  }

  fail(error: unknown): void {
    this.#waitNoMore()
    this.#answering.reject(error)
  }

  /** He waits no longer: his time is over, or he has been called off. */
  onDue(): void {
    this.#waitNoMore()
    this.#drive.leave(this)
    const { lastSeen } = this.#drive
    // The outcome may be known though the `settled` handler is still running.
    if (lastSeen !== null && hasAnswer(lastSeen.state)) this.#answer(lastSeen)
    else this.#answering.reject(timedOut(this.#drive, this.#signal))
  }

  #waitNoMore(): void {
    this.#deadlines.remove(this.#deadline)
    if (this.#onAbort !== null) this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  #answer(entry: Entry): void {
    try {
      this.#answering.resolve(answerOf(this.#drive.effect, entry))
    } catch (error) {
      this.#answering.reject(error)
    }
  }
}

function timedOut<Tx>(drive: Drive<Tx>, signal: AbortSignal | undefined): Error {
  const { lastSeen, trouble } = drive
  const cause = signal?.reason === undefined ? {} : { cause: signal.reason }
  if (lastSeen !== null) return new EffectInDoubt(identityOf(lastSeen), lastSeen.state, lastSeen.reason, cause)
  const { intent } = drive.prepared
  if (drive.isKnown) return new EffectInDoubt(identityOf(intent), 'pending', null, cause)
  if (drive.isQueued) return new EffectNotBegun(identityOf(intent), cause)
  return new JournalError(
    `The journal has not confirmed that it knows of ${intent.effect} ${JSON.stringify(intent.key)}: it may have been ` +
      'written down, and may then be made. Ask again with the same key until it is known, and do it by no other means.',
    trouble === null ? cause : { cause: trouble },
  )
}
