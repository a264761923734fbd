import { migrate, type PostgresPool } from '../../../journal/postgres/index.js'
import { scenarioOf } from '../draw-scenario.js'
import { playOne } from '../run.js'
import type { Doubt, Scenario } from '../scenario.js'
import type { Difference } from './difference.js'
import { Recorder } from './recorder.js'
import type { Recording } from './recording.js'
import { type MakeJournal, productionJournal, Replay } from './replay.js'
import { VirtualTime } from './virtual-time.js'

/** Which histories to play on both journals. */
export interface LockstepRun {
  readonly firstSeed: number
  readonly seeds: number
  readonly doubt?: Doubt
  /** A database that serves nothing else: its journal is emptied before each history. */
  readonly pool: PostgresPool
  /** After so many differences no further history is played. Default: all are. */
  readonly enough?: number
  /** Told of each difference at once. */
  readonly told?: (difference: Difference) => void
  /** No further history is played once it aborts. */
  readonly stopped?: AbortSignal
  /** Default: the production journal. */
  readonly makeJournal?: MakeJournal
}

/** What both journals said. */
export interface LockstepSummary {
  readonly histories: number
  /** Those that were compared no further than to where the simulated clock is too coarse to say which entry comes first. */
  readonly undecided: number
  /** How many operations were done on both. */
  readonly operations: number
  /** The first of each history that has one, by seed. */
  readonly differences: readonly Difference[]
}

/**
 * Plays seeded histories on the memory journal, does everything that they asked of it again on PostgreSQL, in the same
 * order and at the same times, and compares answers and rows. The statements are those of production.
 */
export async function lockstep(run: LockstepRun): Promise<LockstepSummary> {
  const { firstSeed, seeds, doubt, pool, enough = seeds, told, stopped, makeJournal = productionJournal } = run
  await migrate(pool)
  const time = await VirtualTime.over(pool)
  const differences: Difference[] = []
  let operations = 0
  let histories = 0
  let undecided = 0
  for (let seed = firstSeed; seed < firstSeed + seeds && differences.length < enough; seed++, histories++) {
    if (stopped?.aborted === true) break
    const recording = await record(seed, doubt)
    await empty(pool)
    const replay = new Replay(recording, time, makeJournal)
    const outcome = await replay.run()
    operations += replay.done
    if (outcome === 'undecided') undecided++
    else if (outcome !== null) {
      differences.push(outcome)
      told?.(outcome)
    }
  }
  return { histories, undecided, operations, differences }
}

/** Plays a history and takes down what it asks of its journal. */
export async function record(seed: number, doubt?: Doubt): Promise<Recording> {
  const recorder = new Recorder()
  const world = await playOne(withoutInbox(scenarioOf(seed, doubt)), { listen: recorder.listen })
  await recorder.finish()
  return { seed, events: recorder.events, rows: [...world.rows.values()] }
}

/**
 * A duplicate that is told that it is one keeps the message's row until its transaction ends, in PostgreSQL alone: another
 * would wait there, and operations that come one at a time would wait for ever.
 */
function withoutInbox(scenario: Scenario): Scenario {
  return { ...scenario, messages: scenario.messages.filter(({ how }) => how !== 'receive') }
}

const TABLES = ['entries', 'history', 'batches', 'leases', 'undone', 'compensations']

async function empty(pool: PostgresPool): Promise<void> {
  await pool.query({ text: TABLES.map((table) => `DELETE FROM counterfoil.${table}`).join(';') })
}
