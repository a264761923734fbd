import { EffectInDoubt, EffectNotBegun, type Entry, hasAnswer, JournalError } from '../protocol/index.js'
import { answerOf } from './answer.js'
import { identityOf } from './context.js'
import type { Drive, Waiting } from './drive.js'
import type { Patience } from './patience.js'

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
export class Caller<Tx> implements Waiting {
  readonly #drive: Drive<Tx>
  readonly #answering: Answering
  readonly #signal: AbortSignal | undefined
  readonly #giveUp = (): void => {
    this.#leave()
    const { lastSeen } = this.#drive
    // The outcome may be known though the `settled` handler is still running.
    if (lastSeen !== null && hasAnswer(lastSeen.state)) this.#answer(lastSeen)
    else this.#answering.reject(timedOut(this.#drive, this.#signal))
  }
  readonly #cancel: () => void

  constructor(drive: Drive<Tx>, { clock, delayMs, signal }: Patience, answering: Answering) {
    this.#drive = drive
    this.#answering = answering
    this.#signal = signal
    this.#cancel = clock.schedule(delayMs, this.#giveUp, 'keep-alive')
    drive.enter(this)
    if (signal?.aborted) this.#giveUp()
    else signal?.addEventListener('abort', this.#giveUp)
  }

  /** The drive has come to rest, with the entry as it then stands. */
  end(entry: Entry): void {
    this.#leave()
    this.#answer(entry)
  }

  fail(error: unknown): void {
    this.#leave()
    this.#answering.reject(error)
  }

  #leave(): void {
    this.#cancel()
    this.#signal?.removeEventListener('abort', this.#giveUp)
    this.#drive.leave(this)
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
