import type { Doubt, Exhausted, Failure, Summary } from 'counterfoil/testing'

/** A piece of work for one thread. */
export type Task =
  | { readonly kind: 'random'; readonly firstSeed: number; readonly seeds: number; readonly doubt: Doubt | null }
  | { readonly kind: 'exhaustive'; readonly world: number }
  | { readonly kind: 'mutant'; readonly mutant: number }

/** What came of it. */
export type Done =
  | { readonly kind: 'random'; readonly summary: Summary }
  | { readonly kind: 'exhaustive'; readonly exhausted: Exhausted }
  | { readonly kind: 'mutant'; readonly verdict: Verdict }

/** Whether a mutant was caught. */
export interface Verdict {
  readonly name: string
  readonly withinSeeds: number
  /** The first of them. */
  readonly fromSeed: number
  /** The first history that showed it; null: it survived. */
  readonly killedBy: Failure | null
  /** A small world that does not show it though it has to; null: none. */
  readonly unseenIn: string | null
  /** Why it could not even be made. */
  readonly trouble: string | null
}
