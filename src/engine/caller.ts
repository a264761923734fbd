import { EffectInDoubt, EffectNotBegun, type Entry, hasAnswer, JournalError } from '../protocol/index.js'
import type { Deadline, Deadlines, Due } from '../system/index.js'
import { answerOf } from './answer.js'
import { identityOf } from './context.js'
import type { Drive, Waiting, Waits } from './drive.js'

/** Of its wait, a hundredth part: a caller may have the promise of one who came so much before him. */
const SHARED_PART = 0.01

/**
 * One who has asked for an effect, or several who asked at nearly one time: waits for its drive, no longer than he likes
 * to, and is answered once.
 *
 * Every effect comes through here, so it is no race of a promise of the drive's against the time: what those hold waits
 * with each effect, and is copied by each collection of garbage.
 */
export class Caller<Tx> implements Waiting, Due {
  readonly #drive: Drive<Tx>
  readonly #promised = promised()
  readonly #deadlines: Deadlines
  readonly #deadline: Deadline
  readonly #waits: Waits
  readonly #onAbort: (() => void) | null = null

  constructor(drive: Drive<Tx>, deadlines: Deadlines, waits: Waits) {
    this.#drive = drive
    this.#deadlines = deadlines
    this.#deadline = deadlines.after(waits.waitMs, this)
    this.#waits = waits
    drive.enter(this)
    const { signal } = waits
    if (signal === undefined) return
    this.#onAbort = () => this.onDue()
    if (signal.aborted) this.onDue()
    else signal.addEventListener('abort', this.#onAbort)
  }

  /** What he was promised. */
  get promise(): Promise<unknown> {
    return this.#promised.promise
  }

  /** Whether one who asks now may have the same promise: nobody can call it off, and its time is as good as his own. */
  isFor({ waitMs, signal }: Waits): boolean {
    if (signal !== undefined || this.#waits.signal !== undefined || waitMs !== this.#waits.waitMs) return false
    return this.#deadlines.leftMs(this.#deadline) >= waitMs * (1 - SHARED_PART)
  }

  /** The drive has come to rest, with the entry as it then stands. */
  end(entry: Entry): void {
    this.#waitNoMore()
    this.#answer(entry)
  }

  fail(error: unknown): void {
    this.#waitNoMore()
    this.#promised.reject(error)
  }

  /** He waits no longer: his time is over, or he has been called off. */
  onDue(): void {
    this.#waitNoMore()
    this.#drive.leave(this)
    const { lastSeen } = this.#drive
    // The outcome may be known though the `settled` handler is still running.
    if (lastSeen !== null && hasAnswer(lastSeen.state)) this.#answer(lastSeen)
    else this.#promised.reject(timedOut(this.#drive, this.#waits.signal))
  }

  #waitNoMore(): void {
    this.#deadlines.remove(this.#deadline)
    if (this.#onAbort !== null) this.#waits.signal?.removeEventListener('abort', this.#onAbort)
  }

  #answer(entry: Entry): void {
    try {
      this.#promised.resolve(answerOf(this.#drive.effect, entry))
    } catch (error) {
      this.#promised.reject(error)
    }
  }
}

/** A promise with its two ends. */
function promised() {
  let resolve: (answer: unknown) => void = NOTHING
  let reject: (error: unknown) => void = NOTHING
  const promise = new Promise<unknown>((toResolve, toReject) => {
    resolve = toResolve
    reject = toReject
  })
  return { promise, resolve, reject }
}

const NOTHING = (): void => undefined

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
