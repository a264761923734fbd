/** What a choice costs: so many of each may be made in one history. */
export type Cost = 'free' | 'fault' | 'crash' | 'delay'

/** How many faults, crashes and departures from the plain order one history may have, and how many in all. */
export interface Budget {
  readonly faults: number
  readonly crashes: number
  readonly delays: number
  readonly inAll: number
  /** What takes time: the least of it and the most, or the most alone. */
  readonly times: 'both' | 'most'
}

/** What was picked at each choice of a history, in order: enough to play it again. */
export type Path = readonly number[]

/**
 * The choices of one history: first those of the path that it was given, then the first option of each, which is what
 * happens by itself. Every other option that could be paid for begins a path of its own. Every history is played from
 * its beginning, so nothing of the engine has to be copied.
 */
export class Choices {
  /** The paths that begin on this one. */
  readonly others: Path[] = []
  readonly #given: Path
  readonly #picked: number[] = []
  #left: Budget

  constructor(budget: Budget, given: Path = []) {
    this.#left = budget
    this.#given = given
  }

  /** What may still be spent. */
  get left(): Budget {
    return this.#left
  }

  /** Whether what is being played has been played before, in an earlier history. */
  get isRetracing(): boolean {
    return this.#picked.length < this.#given.length
  }

  /** Whether nothing can be chosen any more: what follows, follows by itself. */
  get isSpent(): boolean {
    const { faults, crashes, delays, inAll } = this.#left
    return delays === 0 && (inAll === 0 || (faults === 0 && crashes === 0))
  }

  get path(): Path {
    return this.#picked
  }

  /** One of `options`; the first is what happens by itself, and costs nothing. */
  choose(options: number, cost: Cost): number {
    if (options <= 1 || !this.#affords(cost)) return 0
    const given = this.#given[this.#picked.length]
    if (given === undefined) for (let other = 1; other < options; other++) this.others.push([...this.#picked, other])
    const picked = given ?? 0
    if (picked >= options) throw new Error('The same choices led to another history: the world is not deterministic.')
    this.#picked.push(picked)
    if (picked > 0) this.#pay(cost)
    return picked
  }

  #affords(cost: Cost): boolean {
    const { faults, crashes, delays, inAll } = this.#left
    if (cost === 'free') return true
    if (cost === 'delay') return delays > 0
    return inAll > 0 && (cost === 'fault' ? faults : crashes) > 0
  }

  #pay(cost: Cost): void {
    const left = this.#left
    if (cost === 'delay') this.#left = { ...left, delays: left.delays - 1 }
    if (cost === 'fault') this.#left = { ...left, faults: left.faults - 1, inAll: left.inAll - 1 }
    if (cost === 'crash') this.#left = { ...left, crashes: left.crashes - 1, inAll: left.inAll - 1 }
  }
}
