/** What a choice costs: so many of each may be made in one history. */
export type Cost = 'free' | 'fault' | 'crash' | 'delay'

/** How many faults, crashes and departures from the plain order one history may have, and how many in all. */
export interface Budget {
  readonly faults: number
  readonly crashes: number
  readonly delays: number
  readonly inAll: number
}

interface Made {
  picked: number
  readonly options: number
}

/**
 * The choices of one history, and the way from one history to the next: depth first, the last choice that has another
 * option takes it. Every history is played from its beginning, so nothing of the engine has to be copied.
 */
export class Choices {
  readonly #made: Made[] = []
  #at = 0
  #left: Budget
  readonly #budget: Budget

  constructor(budget: Budget) {
    this.#budget = budget
    this.#left = budget
  }

  /** The choices of one history that was played before. */
  static along(budget: Budget, path: readonly number[]): Choices {
    const choices = new Choices(budget)
    for (const picked of path) choices.#made.push({ picked, options: 0 })
    return choices
  }

  /** What may still be spent. */
  get left(): Budget {
    return this.#left
  }

  /** Whether what is being played has been played before, in an earlier history. */
  get isRetracing(): boolean {
    return this.#at < this.#made.length
  }

  /** Whether another option than the first can be paid for. */
  affords(cost: Cost): boolean {
    const { faults, crashes, delays, inAll } = this.#left
    if (cost === 'free') return true
    if (cost === 'delay') return delays > 0
    return inAll > 0 && (cost === 'fault' ? faults : crashes) > 0
  }

  /** One of `options`; the first is what happens by itself, and costs nothing. */
  choose(options: number, cost: Cost): number {
    if (options <= 1 || !this.affords(cost)) return 0
    const made = this.#made[this.#at] ?? { picked: 0, options }
    if (made.options !== 0 && made.options !== options)
      throw new Error('The same choices led to another history: the world is not deterministic.')
    this.#made[this.#at++] = made
    if (made.picked > 0) this.#pay(cost)
    return made.picked
  }

  /** Goes to the next history; false when all have been played. */
  advance(): boolean {
    this.#at = 0
    this.#left = this.#budget
    for (let last = this.#made.at(-1); last !== undefined; last = this.#made.at(-1)) {
      if (last.picked + 1 < last.options) {
        last.picked++
        return true
      }
      this.#made.pop()
    }
    return false
  }

  /** What was picked, in order: enough to play the same again. */
  path(): readonly number[] {
    return this.#made.slice(0, this.#at).map(({ picked }) => picked)
  }

  #pay(cost: Cost): void {
    const { faults, crashes, delays, inAll } = this.#left
    if (cost === 'delay') this.#left = { faults, crashes, delays: delays - 1, inAll }
    if (cost === 'fault') this.#left = { faults: faults - 1, crashes, delays, inAll: inAll - 1 }
    if (cost === 'crash') this.#left = { faults, crashes: crashes - 1, delays, inAll: inAll - 1 }
  }
}
