import type { Dice } from './dice.js'
import type { Need, World } from './world.js'

/** Something that goes wrong again and again while effects are made. */
export interface Fault {
  readonly name: string
  /** What it does, for `--help`. */
  readonly what: string
  /** How often, on average, in milliseconds; `pace` divides it. */
  readonly everyMs: number
  /** Why it cannot strike in this world, in words; null where it can. Default: it always can. */
  readonly cannot?: (world: World) => string | null
  /** What the world has to be built with for it; only a schedule that has the fault pays for that. */
  readonly needs?: Need
  /** Does harm, and ends it: what it took away is back when it resolves. */
  readonly strike: (world: World, dice: Dice) => Promise<void>
}
