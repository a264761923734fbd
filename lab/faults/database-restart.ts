import type { Fault } from '../fault.js'
import { PREFETCH } from '../timing.js'
import { onFirstCharge, publish, untilCharged } from './striking.js'

/** Answers arrive one after another from before the restart until after it: some find the database gone. */
const ANSWERS_APART_MS = 40

export const databaseRestart: Fault = {
  name: 'database-restart',
  title: 'database restarted under load',
  story: 'The database is shut down at once and started again while calls to the gateway are under way.',
  strikesAtMost: 2 * PREFETCH,
  async inject(stage) {
    await stage.gateway.setFaults(
      onFirstCharge(stage.struck, (place) => ({ kind: 'delay', afterCommitMs: place * ANSWERS_APART_MS })),
    )
    await stage.join()
    await stage.join()
    publish(stage, [...stage.struck, ...stage.spared])
    await untilCharged(stage, stage.struck)
    await stage.restartDatabase()
  },
}
