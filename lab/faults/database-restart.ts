import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { PREFETCH } from '../timing.js'
import { onFirstCharge, publish, untilAnswered, untilCharged } from './striking.js'

/** Long enough for the database to be gone by then, and well inside the time that a worker waits for the gateway. */
const ANSWER_AFTER_MS = 1_000

/** For how long the database stays away behind the last answer: none must find it back already. */
const AWAY_MS = 500

export const databaseRestart: Fault = {
  name: 'database-restart',
  title: 'database restarted under load',
  story: 'The database crashes while calls to the gateway are under way, and is back when all of them were answered.',
  strikesAtMost: 2 * PREFETCH,
  restartsDatabase: true,
  async inject(stage) {
    await stage.gateway.setFaults(
      onFirstCharge(stage.struck, () => ({ kind: 'delay', afterCommitMs: ANSWER_AFTER_MS })),
    )
    await stage.join()
    await stage.join()
    publish(stage, [...stage.struck, ...stage.spared])
    await untilCharged(stage, stage.struck)
    await stage.crashDatabase()
    await untilAnswered(stage, stage.struck)
    await sleep(AWAY_MS)
    await stage.restartDatabase()
  },
}
