import type { Caller, CheckOf } from './check.js'

/**
 * So many looks of one worker's loop in a second are too many, where nothing changed meanwhile. Where another holds the
 * lease of a turn it looks twice every 50 ms, and a few times more after something has changed.
 */
const MOST_LOOKS = 50
const SECOND_MS = 1_000

/**
 * L1: a loop that finds nothing to do waits; it does not ask again and again. Effects with limits of their own are asked
 * for apart from the others: two questions that are one look.
 */
export const nobodySpins: CheckOf = (world) => {
  let looks = new Map<Caller, Map<string, number>>()
  let sinceMs = 0
  const anew = (): void => {
    looks = new Map()
    sinceMs = world.nowMs
  }
  return {
    changed: anew,
    takes: (caller, effects) => {
      if (world.nowMs > sinceMs + SECOND_MS) anew()
      const ofCaller = looks.get(caller) ?? new Map<string, number>()
      const count = (ofCaller.get(effects.join()) ?? 0) + 1
      looks.set(caller, ofCaller.set(effects.join(), count))
      if (count > MOST_LOOKS) {
        const within = `${Math.round(world.nowMs - sinceMs)} ms`
        world.violate('L1 nobody spins', `${caller.name} looked ${count} times within ${within}, and nothing changed`)
      }
    },
  }
}
