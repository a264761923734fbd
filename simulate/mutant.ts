import type { Doubt } from 'counterfoil/testing'

/** Production code with one deliberate bug, as a change of its text. */
export interface Mutant {
  /** The bug, as a sentence. */
  readonly name: string
  /** Under `src`, without its extension. */
  readonly file: string
  readonly code: string
  readonly mutation: string
  /** The numbers of the rules of which one has to be seen broken; anything else is no kill. */
  readonly breaks: readonly string[]
  /** Histories of services with this capability alone: of the others' none can show it. Default: of all. */
  readonly doubt?: Doubt
  /** Seeds that the simulator is given to find it. */
  readonly withinSeeds: number
  /** The first of them. Default 1; later for a bug that many histories do not show, whose hunt would take minutes. */
  readonly fromSeed?: number
  /** A small world, by its name, that shows it too when it is explored. */
  readonly smallWorld?: string
}
