export { type Difference, describeDifference } from './difference.js'
export type { MakeJournal } from './replay.js'
export { type LockstepRun, type LockstepSummary, lockstep } from './run.js'
