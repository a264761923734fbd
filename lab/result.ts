import type { Cell, Observation } from './cell.js'
import { explain, predict } from './predictions.js'
import { isCounterfoil } from './strategy.js'
import { classOf, isBroken, type VerdictClass } from './verdict.js'

/** A cell of the table, as the reports show it. */
export interface Result {
  readonly strategy: string
  readonly gateway: string
  readonly fault: string
  /** Null: not run. */
  readonly observed: Observation | null
  readonly verdict: VerdictClass | 'not-run'
  /** The verdict is one that theory expects; true where the cell was not run. */
  readonly asPredicted: boolean
  readonly why: string
}

/** What an observation means. */
export function resultOf(cell: Cell, observed: Observation): Result {
  const { strategy, fault } = cell
  const prediction = predict(strategy.name, strategy.gateway, fault.name)
  const verdict = classOf(observed)
  return {
    strategy: strategy.name,
    gateway: strategy.gateway,
    fault: fault.name,
    observed,
    verdict,
    asPredicted: prediction.expect.includes(verdict),
    why: explain(prediction, verdict),
  }
}

/** A cell that could not be run. */
export function notRun({ strategy, fault }: Cell, why: string): Result {
  return {
    strategy: strategy.name,
    gateway: strategy.gateway,
    fault: fault.name,
    observed: null,
    verdict: 'not-run',
    asPredicted: true,
    why,
  }
}

/** Counterfoil's cells that broke a promise: any of them fails the lab. */
export function brokenPromises(results: readonly Result[]): Result[] {
  return results.filter(
    ({ strategy, observed }) =>
      isCounterfoil(strategy) && observed !== null && (isBroken(observed) || observed.crashes > 0),
  )
}
