export type { Clock, Randomness } from './clock.js'
export { type Batching, inBatches, Keeper, type KeeperOptions } from './keeper.js'
export { realClock, realRandomness } from './real.js'
