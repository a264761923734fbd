import { createHash } from 'node:crypto'

const BITS_48 = 2 ** 48

/**
 * A number in [0, 1) that depends on nothing but the seed and the text: the same in every run and on every machine,
 * whatever was drawn before it.
 */
export function seededFraction(seed: number, text: string): number {
  return createHash('sha256').update(`${seed}\n${text}`).digest().readUIntBE(0, 6) / BITS_48
}
