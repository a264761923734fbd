export { scenarioOf } from './draw-scenario.js'
export { type Broken, type Exhausted, explore, SMALL_WORLDS, type SmallWorld } from './exhaustive/index.js'
export { FAULTS as SIMULATED_FAULTS, type FaultKind as SimulatedFault } from './faults.js'
export {
  type Difference,
  describeDifference,
  type LockstepRun,
  type LockstepSummary,
  lockstep,
} from './lockstep/index.js'
export { describe as describeHistory, describeFailure } from './report.js'
export { type Failure, type Run, type Story, type Summary, simulate, tell } from './run.js'
export { DOUBTS, type Doubt, type Scenario } from './scenario.js'
export { shrink } from './shrink.js'
