import { createHash } from 'node:crypto'

/** A number in [0, 1) that depends on the seed and the text alone. */
export function fraction(seed: number, text: string): number {
  return createHash('sha256').update(`${seed}\n${text}`).digest().readUIntBE(0, 6) / 2 ** 48
}

/** The items in an order that the seed decides. */
export function shuffled<T>(items: readonly T[], seed: number, nameOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, place: fraction(seed, nameOf(item)) }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item)
}
