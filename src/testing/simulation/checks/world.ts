import type { CheckOf } from './check.js'

/**
 * T4: what the simulated service promised, it kept. A history in which it did not would prove nothing, so that this is
 * an error of the simulator.
 */
export const theWorldKeepsItsPromises: CheckOf = (world) => ({
  rests: () => {
    for (const { key, happenedAtMs, showsAtMs, promisedAtMs } of world.operations) {
      if (happenedAtMs <= showsAtMs && showsAtMs <= promisedAtMs()) continue
      const shown = `it happened at ${happenedAtMs}, shows from ${showsAtMs}, and was promised by ${promisedAtMs()}`
      world.violate('T4 the world keeps its promises', `${key}: ${shown}`)
    }
  },
})
