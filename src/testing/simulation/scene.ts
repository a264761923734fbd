import type { Agenda } from './agenda.js'
import type { Check } from './checks/check.js'
import type { Fates } from './faults.js'
import type { Terms } from './scenario.js'
import type { Timeline } from './timeline.js'

/** When every history begins: late enough that no time is near 0, early enough to be read. */
export const BEGINS_AT_MS = 1_000_000

/** What every part of a world shares: time, chance, the rules, and somebody who takes notes. */
export interface Scene {
  /** The true time. */
  readonly nowMs: number
  readonly terms: Terms
  readonly agenda: Agenda
  readonly fates: Fates
  /** Only where somebody will read it. */
  readonly timeline: Timeline | undefined
  readonly checks: Required<Check>
}
