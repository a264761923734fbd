import type { Dice } from './dice.js'
import type { World } from './world.js'

/** Something that goes wrong again and again while effects are made. */
export interface Fault {
  readonly name: string
  /** What it does, for `--help`. */
  readonly what: string
  /** How often, on average, in milliseconds; `pace` divides it. */
  readonly everyMs: number
  /** Whether it can strike in this world. Default: always. */
  readonly fits?: (world: World) => boolean
  /** Does harm, and ends it: what it took away is back when it resolves. */
  readonly strike: (world: World, dice: Dice) => Promise<void>
}
