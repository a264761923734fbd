import type { Caller, CheckOf } from './check.js'

/**
 * So many looks of one worker's loop in a second are too many, where nothing changed meanwhile. Where another holds the
 * lease of a turn it looks twice every 50 ms, and a few times more after something has changed.
 */
const MOST_LOOKS = 50
const SECOND_MS = 1_000

/** L1: a loop that finds nothing to do waits; it does not ask again and again. */
export const nobodySpins: CheckOf = (world) => {
  let looks = new Map<Caller, number>()
  let sinceMs = 0
  const anew = (): void => {
    looks = new Map()
    sinceMs = world.nowMs
  }
  return {
    changed: anew,
    asks: (caller, operation) => {
      if (operation !== 'claimDue') return
      if (world.nowMs > sinceMs + SECOND_MS) anew()
      const count = (looks.get(caller) ?? 0) + 1
      looks.set(caller, count)
      if (count > MOST_LOOKS) {
        const within = `${Math.round(world.nowMs - sinceMs)} ms`
        world.violate('L1 nobody spins', `${caller.name} looked ${count} times within ${within}, and nothing changed`)
      }
    },
  }
}
