export type { Clock, Randomness } from './clock.js'
export { inSteps, type StepsPorts } from './in-steps.js'
export { Keeper, type KeeperPorts } from './keeper.js'
export { realClock, realRandomness } from './real.js'
