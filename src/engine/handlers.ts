import { type Context, tell } from './context.js'
import { runSettlement } from './settlement.js'
import { Slots } from './slots.js'

/**
 * `settled` handlers that run at the same time in one process. Each holds a connection for as long as it likes, so they
 * must be fewer than a pool has (10 in `pg`, unless told otherwise): handlers that hang must not keep outcomes from
 * being written (P8).
 */
export const SETTLEMENTS_AT_ONCE = 4

/** Of these, how many are for handlers of lost workers, however many of this process's own wait. */
const LOST_AT_ONCE = 2

/** Handlers of which none has begun or ended for this long hang: what they hold up must not wait for them. */
const HANGING_MS = 1_000

/** So many wait here at most. Where handlers hang, those of further outcomes wait in the journal: they are due there. */
const MOST_WAITING = 1_000

/** Whose outcome a handler is for: one that this process has written, or one that waits in the journal for anybody. */
export type Whose = 'lost' | 'own'

/**
 * The `settled` handlers that run in this process or wait here for a place. Those of this process come in their order.
 * Those of lost workers go before them, since they have waited longer, and are taken by few at a time: a process whose
 * own handlers never leave a place free would not run any of them otherwise, nor its own if they fail in masses.
 */
export class Handlers<Tx> {
  readonly #context: Context<Tx>
  readonly #places = new Slots(SETTLEMENTS_AT_ONCE)
  /** By entry. */
  readonly #underWay = new Map<string, Promise<boolean>>()
  #lost = 0
  #movedAtMs = Number.NEGATIVE_INFINITY

  constructor(context: Context<Tx>) {
    this.#context = context
  }

  /**
   * Runs the entry's handler, if nobody else does and not too many wait; it never rejects: the journal's trouble leaves
   * the handler due.
   */
  run(id: string, whose: Whose): Promise<boolean> {
    const already = this.#underWay.get(id)
    if (already !== undefined) return already
    if (this.#underWay.size >= MOST_WAITING) return Promise.resolve(false)
    const { hooks } = this.#context
    if (whose === 'lost') this.#lost++
    const running = this.#places
      .use(
        () => {
          this.#noteMove()
          return runSettlement(this.#context, id)
        },
        whose === 'lost' ? 'first' : 'last',
      )
      .catch((error: unknown) => {
        tell(() => hooks.onError?.(error))
        return false
      })
      .finally(() => {
        this.#underWay.delete(id)
        if (whose === 'lost') this.#lost--
        this.#noteMove()
      })
    this.#underWay.set(id, running)
    return running
  }

  isUnderWay(id: string): boolean {
    return this.#underWay.has(id)
  }

  /** How many more handlers of lost workers may be taken. */
  get freeForLost(): number {
    return Math.max(0, SETTLEMENTS_AT_ONCE - this.#underWay.size, LOST_AT_ONCE - this.#lost)
  }

  /** Whether handlers come to an end. */
  get areMoving(): boolean {
    return this.#context.clock.monotonicMs() - this.#movedAtMs < HANGING_MS
  }

  #noteMove(): void {
    this.#movedAtMs = this.#context.clock.monotonicMs()
  }
}
