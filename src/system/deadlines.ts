import type { Clock } from './clock.js'

/** One whose time may come. */
export interface Due {
  /** Called once, when the time is over. */
  onDue(): void
}

/** What {@link Deadlines} knows somebody by who waits there. */
export interface Deadline {
  /** On the monotonic clock. */
  readonly atMs: number
}

class Waiting implements Deadline {
  readonly atMs: number
  readonly due: Due
  place: number

  constructor(atMs: number, due: Due, place: number) {
    this.atMs = atMs
    this.due = due
    this.place = place
  }
}

/** Of one that waits no more. */
const NOWHERE = -1

/**
 * Tells many of the end of their time, with one timer for all. Every effect has two deadlines, which hardly ever come: a
 * timer for each would be what a waiting caller keeps most of his memory for.
 *
 * The timer is set to the earliest time there is; when it rings, all are looked at. Whoever leaves before that leaves the
 * timer as it is: it rings for nobody then, once, and is set anew. It keeps the process alive while anybody waits.
 *
 * Rejected: a heap, which costs each that comes and goes what is looked for here once in a while.
 */
export class Deadlines {
  readonly #clock: Clock
  /** In no order: the last one takes the place of one who leaves. */
  readonly #waiting: Waiting[] = []
  #ringsAtMs = Number.POSITIVE_INFINITY
  #cancel: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `at` a time so far from now. */
  after(delayMs: number, due: Due): Deadline {
    return this.at(this.#clock.monotonicMs() + delayMs, due)
  }

  /** `atMs`: on the monotonic clock. One whose time is over is told of it too, and never before this returns. */
  at(atMs: number, due: Due): Deadline {
    const waiting = new Waiting(atMs, due, this.#waiting.length)
    this.#waiting.push(waiting)
    if (atMs < this.#ringsAtMs) this.#ringAt(atMs)
    return waiting
  }

  /** How long until it comes; not above 0: it is over. */
  leftMs(deadline: Deadline): number {
    return deadline.atMs - this.#clock.monotonicMs()
  }

  /** It is told nothing from now on; nothing happens where it has been told. */
  remove(deadline: Deadline): void {
    if (!(deadline instanceof Waiting) || deadline.place === NOWHERE) return
    const last = this.#waiting.pop()
    if (last !== undefined && last !== deadline) {
      this.#waiting[deadline.place] = last
      last.place = deadline.place
    }
    deadline.place = NOWHERE
    if (this.#waiting.length === 0) this.#ringNoMore()
  }

  #ringAt(atMs: number): void {
    this.#cancel?.()
    this.#ringsAtMs = atMs
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs())
    this.#cancel = this.#clock.schedule(delayMs, () => this.#ring(), 'keep-alive')
  }

  #ringNoMore(): void {
    this.#cancel?.()
    this.#cancel = null
    this.#ringsAtMs = Number.POSITIVE_INFINITY
  }

  #ring(): void {
    this.#cancel = null
    // Whoever comes while they are told sets the timer, as the first.
    this.#ringsAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonicMs()
    try {
      for (const waiting of this.#waiting.filter(({ atMs }) => atMs <= nowMs)) {
        // One of them may have seen to it that another waits no more.
        if (waiting.place === NOWHERE) continue
        this.remove(waiting)
        waiting.due.onDue()
      }
    } finally {
      const nextMs = this.#waiting.reduce((earliest, { atMs }) => Math.min(earliest, atMs), Number.POSITIVE_INFINITY)
      if (nextMs < this.#ringsAtMs) this.#ringAt(nextMs)
    }
  }
}
