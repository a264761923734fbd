// What the package is to its users; the engine's own class is the part of it that layers above it build on.
export { Counterfoil } from './counterfoil.js'
export * from './engine/index.js'
export {
  type InboxOptions,
  type IncomingMessage,
  type PurgeInboxOptions,
  purgeInbox,
  type Received,
} from './inbox/index.js'
export type {
  AuditsOptions,
  ByPerson,
  EffectAddress,
  EffectEntry,
  FindingsOptions,
  ParkedEffect,
  ParkedOptions,
  ResolvedByHand,
  ResumeBy,
  Resumed,
  SeenByHand,
} from './operations/index.js'
export * from './protocol/index.js'
export {
  type Approval,
  AuditReport,
  type AuditSchedule,
  type AutoPolicy,
  type Hint,
  type Hinted,
  type ReconcileOptions,
  type Repair,
  type ScheduleOptions,
  textOf,
} from './reconcile/index.js'
export type { Aged, RetentionOptions } from './retention/index.js'
