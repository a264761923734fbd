import { promisesSettled } from '../drive.js'
import type { FaultKind } from '../faults.js'
import { type Violation, World } from '../world.js'
import { ExploringAgenda } from './agenda.js'
import { type Budget, Choices, type Path } from './choices.js'
import { ChosenFates } from './fates.js'
import { Visited } from './visited.js'
import type { SmallWorld } from './worlds.js'

export { SMALL_WORLDS, type SmallWorld } from './worlds.js'

/** A schedule that broke an invariant: the choices that lead to it, and its story. */
export interface Broken extends Violation {
  readonly path: Path
  readonly lines: readonly string[]
}

/** What came of exploring a world. */
export interface Exhausted {
  readonly world: string
  readonly bounds: Budget
  /** Faults that never struck in it. */
  readonly excluded: readonly FaultKind[]
  /** Different states that were reached. */
  readonly states: number
  /** Histories that were played, to their end or to a state whose future was known. */
  readonly schedules: number
  /** Whether nothing within the budget was left out. */
  readonly complete: boolean
  readonly violations: readonly Broken[]
}

const MOST_VIOLATIONS = 3
/** How many histories are under way at the same time: they share the cost of each turn of the event loop. */
const SIDE_BY_SIDE = 16

/** A history under way. */
interface Playing {
  readonly world: World
  readonly choices: Choices
}

/**
 * Plays a small world in every way that its budget allows: every fault of its kinds at every place, a crash before
 * everything that a worker hears, and what is due at one moment in other orders than the plain one.
 */
export async function explore(small: SmallWorld, mostSchedules = Number.POSITIVE_INFINITY): Promise<Exhausted> {
  const visited = new Visited()
  const violations: Broken[] = []
  // The last first: so are states met with the most left to spend, which covers the less.
  const paths: Path[] = [[]]
  const playing: Playing[] = []
  let schedules = 0
  while ((paths.length > 0 || playing.length > 0) && violations.length < MOST_VIOLATIONS) {
    while (playing.length < SIDE_BY_SIDE && schedules < mostSchedules) {
      const path = paths.pop()
      if (path === undefined) break
      playing.push(begin(small, new Choices(small.budget, path), visited))
      schedules++
    }
    if (playing.length === 0) break
    for (let i = playing.length - 1; i >= 0; i--) {
      const each = playing[i]
      if (each === undefined || each.world.step()) continue
      playing.splice(i, 1)
      // Not `push(...)`: a history may begin more paths than a call may have arguments.
      for (const other of each.choices.others) paths.push(other)
      if (each.world.violation !== null) violations.push(await told(small, each.choices.path, each.world.violation))
    }
    await promisesSettled()
  }
  const complete = paths.length === 0 && playing.length === 0
  const { name, budget, excluded } = small
  return { world: name, bounds: budget, excluded, states: visited.size, schedules, complete, violations }
}

function begin(small: SmallWorld, choices: Choices, visited: Visited, timeline = false): Playing {
  let world: World | null = null
  const known = (): ReturnType<World['fingerprint']> => world?.fingerprint() ?? { database: '', service: '', heard: '' }
  const agenda = new ExploringAgenda(choices, visited, { known, isDead: (place) => world?.isDead(place) ?? false })
  const fates = new ChosenFates(choices, agenda, new Set(small.excluded))
  world = new World(small.scenario, { timeline }, { agenda, fates, struck: () => fates.struck })
  return { world, choices }
}

/** The same choices once more, with somebody who takes notes. */
async function told(small: SmallWorld, path: Path, violation: Violation): Promise<Broken> {
  const { world } = begin(small, new Choices(small.budget, path), new Visited(), true)
  while (world.step()) await promisesSettled()
  return { ...violation, path, lines: world.timeline?.lines() ?? [] }
}
