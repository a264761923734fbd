import type { Randomness } from '../../system/index.js'

/** One step of a 32-bit mixer (the finaliser of MurmurHash3): every bit of the input changes every bit of the output. */
function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const TWO_TO_32 = 4_294_967_296

/**
 * Randomness by name: a throw depends on the seed and on what it is thrown for, and on nothing that was thrown before.
 * So one fault can be left out of a history while everything that does not follow from it stays as it was, which is
 * what lets a failure be shrunk.
 */
export class Dice {
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = mix(mix(0x9e3779b9, seed >>> 0), Math.floor(seed / TWO_TO_32) >>> 0)
  }

  /** A number in [0, 1) for what has this name. */
  at(purpose: number, who: number, count: number): number {
    return (mix(mix(mix(this.#seed, purpose), who), count) >>> 0) / TWO_TO_32
  }

  /** A stream of its own, for those who ask in turn. */
  stream(purpose: number, who: number): Stream {
    return new Stream(mix(mix(this.#seed, purpose), who))
  }
}

/** Seeded randomness in turn: what the engine of one worker draws from, and what scenarios are made with. */
export class Stream implements Randomness {
  readonly #seed: number
  #count = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  next(): number {
    return (mix(mix(this.#seed, this.#count++), 0x27d4eb2f) >>> 0) / TWO_TO_32
  }

  /** As unlike any other as a history needs: names of workers stay short and readable in a timeline. */
  token(): string {
    return `w${((mix(mix(this.#seed, this.#count++), 0x165667b1) >>> 0) % 1_679_616).toString(36)}`
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** Between `least` and `most`, small ones as likely as large ones: each doubling has the same share. */
  spread(least: number, most: number): number {
    return least * (most / least) ** this.next()
  }

  pick<T>(first: T, ...others: readonly T[]): T {
    return others[Math.floor(this.next() * (others.length + 1)) - 1] ?? first
  }
}
