export type { LeaseOptions } from './acquire-lease.js'
export { type AgeEntriesOptions, ageEntries } from './age-entries.js'
export type { Compensated, CompensateOptions, Undoing } from './compensate.js'
export type { CompensateGroupOptions, GroupCompensated } from './compensate-group.js'
export type { Hooks } from './context.js'
export { Counterfoil, type CounterfoilOptions, type PerformOptions } from './counterfoil.js'
export type { DeadSettlement, DeadSettlementsOptions } from './dead-settlements.js'
export {
  defineEffect,
  type Effect,
  type EffectDefinition,
  type RetryDelay,
  type RuntimeEffect,
  type SettledOutcome,
} from './effect.js'
export type { EnqueuedEffect, EnqueueOptions } from './enqueue.js'
export type { Lease } from './with-lease.js'
