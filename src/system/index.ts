export type { Clock, Randomness } from './clock.js'
export { realClock, realRandomness } from './real.js'
