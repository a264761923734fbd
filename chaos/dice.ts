import { createHash } from 'node:crypto'

/** Randomness that one seed decides: each name has a sequence of its own, whatever the others draw. */
export class Dice {
  readonly #seed: number
  readonly #name: string
  #drawn = 0

  constructor(seed: number, name: string) {
    this.#seed = seed
    this.#name = name
  }

  /** In [0, 1). */
  next(): number {
    this.#drawn += 1
    const hash = createHash('sha256').update(`${this.#seed}\n${this.#name}\n${this.#drawn}`).digest()
    return hash.readUIntBE(0, 6) / 2 ** 48
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  /** @throws {RangeError} where there is nothing to pick from. */
  pick<T>(items: readonly T[]): T {
    const [item] = items.slice(this.below(items.length))
    if (item === undefined) throw new RangeError('There is nothing to pick from.')
    return item
  }
}
