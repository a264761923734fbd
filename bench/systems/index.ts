import type { System } from '../system.js'
import { bare } from './bare.js'
import { batched } from './batched.js'
import { counterfoilEnqueue, counterfoilPerform } from './counterfoil.js'
import { twoCommits } from './two-commits.js'

/** Everything that is measured, in the order of the table. */
export const SYSTEMS: readonly System[] = [bare, twoCommits, batched, counterfoilPerform, counterfoilEnqueue]

/** @throws {Error} when there is none of that name. */
export function findSystem(name: string): System {
  const system = SYSTEMS.find((each) => each.name === name)
  if (system === undefined) {
    throw new Error(
      `There is no system ${JSON.stringify(name)}; there are ${SYSTEMS.map((each) => each.name).join(', ')}.`,
    )
  }
  return system
}
