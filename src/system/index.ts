export type { Clock, Randomness } from './clock.js'
export { Keeper, type KeeperPorts } from './keeper.js'
export { realClock, realRandomness } from './real.js'
