import { setTimeout as sleep } from 'node:timers/promises'
import { Dice } from './dice.js'
import type { Fault } from './fault.js'
import { databaseBlackhole, databaseCut, databaseRestarted } from './faults/database.js'
import { killed } from './faults/processes.js'
import { redisFlushed, redisPartitioned, redisRestarted } from './faults/redis.js'
import type { Progress } from './progress.js'
import type { World } from './world.js'

/**
 * When a fault strikes: again and again, on average every so many milliseconds; or once each time that a share of all
 * orders has been settled, however long that takes on a busy machine.
 */
export type When = { readonly everyMs: number } | { readonly atShares: readonly number[] }

export interface Scheduled {
  readonly fault: Fault
  readonly when: When
}

/** Every fault at its own pace, `pace` times more often than it says. */
export function atTheirPace(faults: readonly Fault[], pace: number): readonly Scheduled[] {
  return faults.map((fault) => ({ fault, when: { everyMs: fault.everyMs / pace } }))
}

/**
 * The run that a release has to pass: a worker is killed every second, PostgreSQL loses its memory twice, Redis all that
 * it knew in the middle, and a worker is now and then cut off from one of the two.
 */
export const ACCEPTANCE: readonly Scheduled[] = [
  { fault: killed, when: { everyMs: 1_000 } },
  { fault: databaseRestarted, when: { atShares: [1 / 3, 2 / 3] } },
  { fault: redisRestarted, when: { atShares: [0.45] } },
  { fault: redisFlushed, when: { atShares: [0.55] } },
  { fault: databaseCut, when: { atShares: [0.2, 0.8] } },
  { fault: databaseBlackhole, when: { atShares: [0.1, 0.4, 0.7] } },
  { fault: redisPartitioned, when: { atShares: [0.15, 0.5, 0.75] } },
]

export interface Striking {
  readonly world: World
  readonly seed: number
  readonly progress: Progress
  /** How many orders there will be; shares are of these. */
  readonly orders: number
  /** Aborts when no more faults are wanted. */
  readonly over: AbortSignal
  /** Told after each strike. */
  readonly count: (fault: Fault) => void
}

/** Strikes by the clock, until `over`. The seed decides when, where and how. */
export async function strikeByTheClock(scheduled: readonly Scheduled[], striking: Striking): Promise<void> {
  await Promise.all(
    possible(scheduled, striking).map(({ fault, when }) =>
      'everyMs' in when ? strikeAgainAndAgain(fault, when.everyMs, striking) : undefined,
    ),
  )
}

/** Strikes at the shares of orders; resolves when all these strikes have ended. */
export async function strikeAtShares(scheduled: readonly Scheduled[], striking: Striking): Promise<void> {
  await Promise.all(
    possible(scheduled, striking).flatMap(({ fault, when }) =>
      'atShares' in when ? when.atShares.map((share, i) => strikeAtShare(fault, share, i, striking)) : [],
    ),
  )
}

function possible(scheduled: readonly Scheduled[], { world }: Striking): readonly Scheduled[] {
  return scheduled.filter(({ fault }) => (fault.cannot?.(world) ?? null) === null)
}

/** The times are fixed when it begins: how long a strike takes moves none of the later ones. */
async function strikeAgainAndAgain(fault: Fault, everyMs: number, striking: Striking): Promise<void> {
  const { world, seed, over, count } = striking
  const times = new Dice(seed, `${fault.name}: times`)
  const startedMs = performance.now()
  for (let dueMs = 0, number = 0; !over.aborted; number++) {
    dueMs += everyMs * (0.5 + times.next())
    await sleep(startedMs + dueMs - performance.now(), undefined, { signal: over }).catch(() => undefined)
    if (over.aborted) return
    // A fault may fail by another one: no connection can be terminated while the database restarts.
    await fault.strike(world, diceOf(fault, seed, number)).then(
      () => count(fault),
      () => undefined,
    )
  }
}

/** Once, and for certain: where another fault stands in its way, it tries again. */
async function strikeAtShare(fault: Fault, share: number, number: number, striking: Striking): Promise<void> {
  const { world, seed, progress, orders, over, count } = striking
  await progress.until(Math.ceil(share * orders), over)
  while (!over.aborted) {
    try {
      await fault.strike(world, diceOf(fault, seed, number))
      count(fault)
      return
    } catch {
      await sleep(50)
    }
  }
}

/** Each strike draws from dice of its own, so that one that failed, or was late, changes no other. */
function diceOf(fault: Fault, seed: number, number: number): Dice {
  return new Dice(seed, `${fault.name} ${number}`)
}
