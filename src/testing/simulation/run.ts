import { scenarioOf } from './draw-scenario.js'
import { drive } from './drive.js'
import type { FaultKind } from './faults.js'
import type { Doubt, Scenario } from './scenario.js'
import { type Told, type Violation, World } from './world.js'

/** Which histories to play. */
export interface Run {
  readonly firstSeed: number
  /** How many seeds from the first one on. */
  readonly seeds: number
  /** Every how many seeds: several processes share the seeds between them. Default 1. */
  readonly stride?: number
  /** Histories of services with this capability alone. Default: the seed decides. */
  readonly doubt?: Doubt
  /** Asked before each history; true ends the run early. */
  readonly enough?: () => boolean
}

/** A history that broke an invariant. Its seed plays it again, exactly. */
export interface Failure extends Violation {
  readonly seed: number
  /** The capability that was asked for, where the seed did not decide it. */
  readonly doubt: Doubt | null
}

/** What a run saw. */
export interface Summary {
  readonly histories: number
  readonly steps: number
  /** Faults that struck, by kind. */
  readonly struck: Readonly<Partial<Record<FaultKind, number>>>
  /** How entries ended, by state and reason. */
  readonly ends: Readonly<Record<string, number>>
  /** By seed. */
  readonly violations: readonly Failure[]
}

/** Plays many histories of the production engine. The same run gives the same summary, on any machine. */
export async function simulate(run: Run): Promise<Summary> {
  const { firstSeed, seeds, stride = 1, doubt } = run
  const struck: Partial<Record<FaultKind, number>> = {}
  const ends: Record<string, number> = {}
  const violations: Failure[] = []
  let given = 0
  let steps = 0
  const next = (): World | null => {
    if (given >= seeds || run.enough?.() === true) return null
    return new World(scenarioOf(firstSeed + stride * given++, doubt), { timeline: false })
  }
  await drive(next, (world) => {
    steps += world.steps
    for (const { kind } of world.struck) struck[kind] = (struck[kind] ?? 0) + 1
    for (const { state, reason } of world.rows.values()) {
      const end = state === 'parked' ? `parked: ${reason?.code}` : state
      ends[end] = (ends[end] ?? 0) + 1
    }
    if (world.violation !== null)
      violations.push({ seed: world.scenario.seed, doubt: doubt ?? null, ...world.violation })
  })
  violations.sort((one, other) => one.seed - other.seed)
  return { histories: given, steps, struck, ends, violations }
}

/** One history, told. */
export interface Story {
  readonly scenario: Scenario
  readonly violation: Violation | null
  /** Ids of the faults that struck, in order. */
  readonly struck: readonly string[]
  readonly lines: readonly string[]
}

/** Plays one history and tells it. */
export async function tell(scenario: Scenario): Promise<Story> {
  const world = await playOne(scenario, { timeline: true })
  return {
    scenario,
    violation: world.violation,
    struck: world.struck.map(({ id }) => id),
    lines: world.timeline?.lines() ?? [],
  }
}

/** Plays one history to its end. */
export async function playOne(scenario: Scenario, told: Told = {}): Promise<World> {
  const world = new World(scenario, told)
  let given = false
  const next = (): World | null => {
    if (given) return null
    given = true
    return world
  }
  await drive(next, () => undefined)
  return world
}
