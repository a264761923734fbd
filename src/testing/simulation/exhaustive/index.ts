import { promisesSettled } from '../drive.js'
import { type Violation, World } from '../world.js'
import { ExploringAgenda } from './agenda.js'
import { Choices } from './choices.js'
import { ChosenFates } from './fates.js'
import type { Identity } from './identity.js'
import type { SmallWorld } from './worlds.js'

export { BUDGETS, SMALL_WORLDS, type SmallWorld } from './worlds.js'

/** A schedule that broke an invariant: the choices that lead to it, and its story. */
export interface Broken extends Violation {
  readonly path: readonly number[]
  readonly lines: readonly string[]
}

/** What came of exploring a world. */
export interface Exhausted {
  readonly world: string
  /** Different states that were reached. */
  readonly states: number
  /** Histories that were played, to their end or to a state whose future was known. */
  readonly schedules: number
  /** Whether nothing within the budget was left out. */
  readonly complete: boolean
  readonly violations: readonly Broken[]
}

const MOST_VIOLATIONS = 3

/**
 * Plays a small world in every way that its budget allows: every fault at every place, a crash before everything that a
 * worker hears, and everything that is due at one moment in every order.
 */
export async function explore(small: SmallWorld, mostSchedules = Number.POSITIVE_INFINITY): Promise<Exhausted> {
  const choices = new Choices(small.budget)
  const visited = new Set<Identity>()
  const violations: Broken[] = []
  let schedules = 0
  let more = true
  while (more && schedules < mostSchedules && violations.length < MOST_VIOLATIONS) {
    const world = await playOnce(small, choices, visited, false)
    schedules++
    if (world.violation !== null) violations.push(await told(small, choices, world.violation))
    more = choices.advance()
  }
  return { world: small.name, states: visited.size, schedules, complete: !more, violations }
}

async function playOnce(
  small: SmallWorld,
  choices: Choices,
  visited: Set<Identity>,
  timeline: boolean,
): Promise<World> {
  let world: World | null = null
  const known = (): ReturnType<World['fingerprint']> => world?.fingerprint() ?? { database: '', service: '', heard: '' }
  const agenda = new ExploringAgenda(choices, visited, { known, isDead: (place) => world?.isDead(place) ?? false })
  const fates = new ChosenFates(choices, agenda, small.kinds)
  world = new World(small.scenario, { timeline }, { agenda, fates, struck: () => fates.struck })
  while (world.step()) await promisesSettled()
  return world
}

/** The same choices once more, with somebody who takes notes. */
async function told(small: SmallWorld, choices: Choices, violation: Violation): Promise<Broken> {
  const path = choices.path()
  const again = await playOnce(small, Choices.along(small.budget, path), new Set(), true)
  return { ...violation, path, lines: again.timeline?.lines() ?? [] }
}
