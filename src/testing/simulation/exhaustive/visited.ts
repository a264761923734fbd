import type { Budget } from './choices.js'
import type { Identity } from './identity.js'

/** No budget has more than so many of anything. */
const MOST = 16

/**
 * The states that were met, each with what was left to spend there. One that was met with as much of everything left, or
 * more, need not be explored again: whatever can still go wrong now could go wrong then.
 */
export class Visited {
  readonly #left = new Map<Identity, number | number[]>()

  get size(): number {
    return this.#left.size
  }

  /** Whether this state was met with at least so much left; if not, it has been from now on. */
  covers(state: Identity, left: Budget): boolean {
    const now = packed(left)
    const met = this.#left.get(state)
    if (met === undefined) {
      this.#left.set(state, now)
      return false
    }
    const all = typeof met === 'number' ? [met] : met
    if (all.some((each) => isAtLeast(each, now))) return true
    const kept = all.filter((each) => !isAtLeast(now, each))
    this.#left.set(state, kept.length === 0 ? now : [...kept, now])
    return false
  }
}

function packed({ faults, crashes, delays, inAll }: Budget): number {
  return ((faults * MOST + crashes) * MOST + delays) * MOST + inAll
}

function isAtLeast(one: number, other: number): boolean {
  let [a, b] = [one, other]
  for (; b > 0; a = Math.floor(a / MOST), b = Math.floor(b / MOST)) if (a % MOST < b % MOST) return false
  return true
}
