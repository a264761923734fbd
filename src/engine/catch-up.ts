import type { Clock } from '../system/index.js'
import { orNullAfter } from './patience.js'

/** How long to wait for the loop to have caught up: a few looks, and longer than that it will not be soon. */
const CATCH_UP_MS = 50

/** How long nobody waits after some have in vain. */
const BUSY_MS = 250

/**
 * Whether the loop has caught up: its last look has left nothing that is due, and no other is under way. Then what is
 * new keeps nobody waiting who came before, and may begin at once.
 */
export class CatchUp {
  readonly #clock: Clock
  #isCaughtUp = false
  #isLooking = false
  readonly #waiting = new Set<() => void>()
  #busyUntilMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp && !this.#isLooking
  }

  /** A look begins, which may take any place that is free. */
  look(): void {
    this.#isLooking = true
  }

  /** The look is over. `leavesNothing`: nothing is due but what it has taken. */
  looked(leavesNothing: boolean): void {
    this.#isLooking = false
    this.#isCaughtUp = leavesNothing
    if (leavesNothing) for (const resolve of this.#waiting) resolve()
  }

  /** There is something due that no look has taken. */
  fallBehind(): void {
    this.#isCaughtUp = false
  }

  /**
   * Whether the loop has caught up, now or soon. What did not wait for that would itself be what the loop has to catch up
   * with, and so on for ever.
   */
  async soon(): Promise<boolean> {
    if (this.isCaughtUp) return true
    if (this.#clock.monotonicMs() < this.#busyUntilMs) return false
    let tell = (): void => undefined
    const caughtUp = new Promise<void>((resolve) => {
      tell = resolve
    })
    this.#waiting.add(tell)
    await orNullAfter(caughtUp, { clock: this.#clock, delayMs: CATCH_UP_MS })
    // Also where it was in vain: a loop that stays behind for hours must not gather those who have left.
    this.#waiting.delete(tell)
    if (!this.isCaughtUp) this.#busyUntilMs = this.#clock.monotonicMs() + BUSY_MS
    return this.isCaughtUp
  }
}
