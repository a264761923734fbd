import type { EffectTerms } from '../protocol/index.js'
import { tell } from './context.js'
import type { Core } from './core.js'

/** While there is other work: how often to look for handlers that are due. They are rare. */
const LOOK_ASIDE_MS = 250

/** How long to leave an entry alone whose handler another process is running, or could not be run. */
const LOOK_FOR_SETTLEMENT_MS = 1_000

/**
 * How many due handlers to choose from. All processes see the same ones first: were the first ones taken, they would
 * stand in each other's way, and what a killed worker left would be settled as slowly as by one.
 */
const SETTLEMENTS_IN_SIGHT = 64

/** What the one that looks for handlers works with. */
export interface Looking {
  readonly terms: readonly EffectTerms[]
  readonly stopping: AbortSignal
  /** Told when a place is free and nothing was found for it. */
  readonly onNothingLeft: () => void
}

/**
 * Runs the `settled` handlers that wait in the journal: those of lost workers, and those that failed and are due again.
 * Where there are some, whoever ends one takes the next at once, without a look at anything else.
 */
export class LostHandlers<Tx> {
  readonly #core: Core<Tx>
  readonly #looking: Looking
  /** Of effects that have a handler here: those of others are left to processes that know it. */
  readonly #terms: readonly EffectTerms[]
  /** Entries whose handler is left alone for a while: another process has it in hand. */
  readonly #elsewhere = new Set<string>()
  #lookedAtMs = Number.NEGATIVE_INFINITY
  /** One look at a time: two would find the same. */
  #look: Promise<number> | null = null

  constructor(core: Core<Tx>, looking: Looking) {
    this.#core = core
    this.#looking = looking
    this.#terms = looking.terms.filter(({ effect }) => core.context.effects.get(effect)?.settled !== undefined)
  }

  /** Whether to look although there is other work. */
  mayLook(): boolean {
    return this.#core.context.clock.monotonicMs() - this.#lookedAtMs >= LOOK_ASIDE_MS
  }

  /** Takes as many as there are places for: how many. */
  take(): Promise<number> {
    this.#look ??= this.#takeOnce().finally(() => {
      this.#look = null
    })
    return this.#look
  }

  /** Resolves when no look is under way. */
  async stopped(): Promise<void> {
    await this.#look?.catch(() => undefined)
  }

  async #takeOnce(): Promise<number> {
    const { journal, clock } = this.#core.context
    const places = this.#core.handlers.freeForLost
    // Whether there are more is still to be found out: whoever gives a place back looks again.
    if (places <= 0 || this.#terms.length === 0) return 0
    const due = await journal.dueSettlements(this.#terms, SETTLEMENTS_IN_SIGHT + this.#elsewhere.size)
    if (this.#looking.stopping.aborted) return 0
    const chosen = this.#chosenOf(due, places)
    // Where there were some there may be more, of a worker that was lost with many.
    this.#lookedAtMs = chosen.length > 0 ? Number.NEGATIVE_INFINITY : clock.monotonicMs()
    for (const id of chosen) void this.#settle(id)
    return chosen.length
  }

  #chosenOf(due: readonly string[], places: number): readonly string[] {
    const open = due.filter((id) => !this.#elsewhere.has(id) && !this.#core.handlers.isUnderWay(id))
    if (open.length <= places) return open
    // Rather old ones: by even chances some would wait for ever so long, as long as there are always others.
    const from = Math.floor(this.#core.context.randomness.next() ** 2 * (open.length - places + 1))
    return open.slice(from, from + places)
  }

  async #settle(id: string): Promise<void> {
    if (!(await this.#core.settle(id, 'lost'))) void this.#leaveAlone(id)
    await this.#takeNext()
  }

  async #takeNext(): Promise<void> {
    const { stopping, onNothingLeft } = this.#looking
    if (stopping.aborted) return
    try {
      if ((await this.take()) === 0) onNothingLeft()
    } catch (error) {
      // The loop looks again, with the delays that a journal in trouble needs.
      tell(() => this.#core.context.hooks.onError?.(error))
      onNothingLeft()
    }
  }

  /** It keeps no place meanwhile: others may be had. */
  async #leaveAlone(id: string): Promise<void> {
    this.#elsewhere.add(id)
    await this.#core.context.clock.sleep(LOOK_FOR_SETTLEMENT_MS, this.#looking.stopping)
    this.#elsewhere.delete(id)
    this.#looking.onNothingLeft()
  }
}
