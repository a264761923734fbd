export { auditsOf, reconcile } from './auditor.js'
export { type Hint, type Hinted, settleByHint } from './evidence.js'
export {
  type Approval,
  approvalProblem,
  approveFinding,
  dismissalProblem,
  dismissFinding,
  repairFinding,
} from './findings.js'
export type { AutoPolicy, ReconcileOptions, Repair } from './options.js'
export { AuditReport, textOf } from './report.js'
export { type AuditSchedule, type ScheduleOptions, scheduleAudits } from './schedule.js'
