import type { System } from '../system.js'
import { bare } from './bare.js'
import { batched, batchedApart } from './batched.js'
import { bullmqAlways, bullmqEverysec } from './bullmq.js'
import { counterfoilEnqueue, counterfoilOutbox, counterfoilPerform } from './counterfoil.js'
import { dbos } from './dbos.js'
import { graphileWorker } from './graphile-worker.js'
import { pgBoss } from './pg-boss.js'
import { pgbenchBatched, pgbenchOneByOne } from './pgbench.js'
import { powertools } from './powertools.js'
import { restate } from './restate.js'
import { twoCommits } from './two-commits.js'

/** Everything that is measured, in the order of the table. */
export const SYSTEMS: readonly System[] = [
  bare,
  pgbenchBatched,
  pgbenchOneByOne,
  batched,
  batchedApart,
  twoCommits,
  counterfoilPerform,
  counterfoilEnqueue,
  counterfoilOutbox,
  pgBoss,
  graphileWorker,
  bullmqEverysec,
  bullmqAlways,
  dbos,
  restate,
  powertools,
]

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
