import type { World } from './world.js'

/**
 * Lets all promises settle. Promises that depend on nothing outside are through when the event loop gets to its next
 * task; this is the one place where the simulation meets the machine's event loop, and it reads no clock.
 */
export function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How many histories are under way at the same time: they share the cost of each turn of the event loop. */
const SIDE_BY_SIDE = 64

/**
 * Plays histories to their end, many side by side: each makes one step, then all promises settle, and so on. They share
 * nothing, so none can tell that it is not alone.
 *
 * `next` gives the next history, or null when there are no more; `ended` is told of each in the order of their ends.
 */
export async function drive(next: () => World | null, ended: (world: World) => void): Promise<void> {
  const playing: World[] = []
  let more = true
  while (more || playing.length > 0) {
    while (more && playing.length < SIDE_BY_SIDE) {
      const world = next()
      if (world === null) more = false
      else playing.push(world)
    }
    for (let i = playing.length - 1; i >= 0; i--) {
      const world = playing[i]
      if (world === undefined || world.step()) continue
      const last = playing.pop()
      if (last !== undefined && last !== world) playing[i] = last
      ended(world)
    }
    await promisesSettled()
  }
}
