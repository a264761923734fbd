import type { JournalTime, State } from './entry.js'
import type { JsonValue } from './json-value.js'
import type { Money } from './money.js'
import type { ExternalOperation } from './provider.js'

/** What an audit can find. What is as it should be is `matched`, and counted only. */
export const FINDING_KINDS = [
  /** More than one live operation for one business key: this one is too many. */
  'duplicate',
  /** An operation of our namespace that no entry accounts for. */
  'orphan',
  /** Recorded as succeeded, and not at the service. */
  'missing',
  /** Recorded and at the service, and the two do not agree: on amount, currency or state. */
  'mismatch',
] as const

export type FindingKind = (typeof FINDING_KINDS)[number]

/**
 * What has become of a finding. `approved`: a person said that it is to be repaired. `repaired`: it was undone, or its
 * entry was settled by it. `refused`: the service refused to undo it. `dismissed`: a person said that it may stay.
 */
export const FINDING_STATUSES = ['open', 'approved', 'repaired', 'refused', 'dismissed'] as const

export type FindingStatus = (typeof FINDING_STATUSES)[number]

/** A finding as an audit makes it. Its id follows from what it is about, so that finding it again adds nothing. */
export interface FindingDraft {
  readonly id: string
  readonly kind: FindingKind
  /** A stable word for what exactly is wrong, for example `amount`, `late_success`, `same_reference`. */
  readonly code: string
  /** One sentence for a person. */
  readonly message: string
  readonly externalId: string | null
  readonly reference: string | null
  readonly entryId: string | null
  readonly key: string | null
  /** The operation that is kept, of a duplicate; and whether this audit itself saw that it is live. */
  readonly kept: { readonly externalId: string; readonly seenLive: boolean } | null
  /** What is live at the service. */
  readonly amount: Money | null
  /** What the journal says it moved. */
  readonly expected: Money | null
}

/** A finding as it is kept. */
export interface Finding extends FindingDraft {
  readonly namespace: string
  readonly effect: string
  readonly status: FindingStatus
  readonly foundAtMs: JournalTime
  /** The audits that saw it first and last. */
  readonly firstRunId: string
  readonly lastRunId: string
  /** Who approved or dismissed it, or `policy`; and when. */
  readonly decidedBy: string | null
  readonly decidedAtMs: JournalTime | null
  readonly note: string | null
}

/** How far an audit is. `incomplete`: it ended without having seen everything, so nothing may rest on what it did not see. */
export type AuditState = 'listing' | 'matching' | 'repairing' | 'complete' | 'incomplete'

/** What an audit counts. */
export interface AuditCounts {
  /** Operations that the service listed, each once. */
  readonly listed: number
  /** Operations listed a second time. */
  readonly repeated: number
  /** Operations that are not ours. */
  readonly foreign: number
  readonly matched: number
  /** Operations and entries that may still be moving: looked at again in the next audit. */
  readonly moving: number
  /** Operations of ours that moved nothing, or whose money was given back, and that nobody counts on. */
  readonly undone: number
  /** Doubts that this audit ended: what had happened, and what had not. */
  readonly settled: number
  readonly released: number
}

/** A kind of finding in one currency (null: without an amount): how many, and how much. */
export interface AuditTotal {
  readonly kind: FindingKind
  readonly status: FindingStatus
  readonly currency: string | null
  readonly count: number
  readonly minorUnits: number
}

/** What an audit asks: which operations, and how patiently. */
export interface AuditRequest {
  readonly namespace: string
  readonly effect: string
  /** Created in [fromMs, toMs), on the service's clock. `toMs` null: until now. */
  readonly fromMs: number | null
  readonly toMs: number | null
  /** Instead of `fromMs`: this long before the end. */
  readonly sinceMs: number | null
  /** How it was asked for, as text: an interrupted audit is resumed only by one that asks for the same. */
  readonly request: string
  /** When it was to begin, for an audit on a schedule. */
  readonly dueAtMs: JournalTime | null
  /** The fence of the audit lease: what an auditor writes that has lost it changes nothing. */
  readonly fence: number
  /** An interrupted audit older than this is not resumed: what it saw is too old to act on. */
  readonly resumeWithinMs: number
}

/** One audit. */
export interface AuditRun {
  readonly id: string
  readonly namespace: string
  readonly effect: string
  readonly fence: number
  readonly request: string
  readonly state: AuditState
  readonly fromMs: number
  readonly toMs: number
  readonly startedAtMs: JournalTime
  readonly endedAtMs: JournalTime | null
  readonly dueAtMs: JournalTime | null
  /** Where the list stands. */
  readonly cursor: string | null
  readonly counts: AuditCounts
  readonly totals: readonly AuditTotal[]
  /** Why it is incomplete, or why it asks where it might have repaired. */
  readonly note: { readonly code: string; readonly message: string } | null
  readonly resumed: boolean
}

/** An operation of the list that may be ours, on its way into the staging table. */
export interface StagedOperation {
  readonly operation: ExternalOperation
  /** The entry that its key says, or a name of its own by its reference. */
  readonly groupId: string
  /** Its reference says that it is ours; otherwise only its key might. */
  readonly owned: boolean
}

/** What is known of the entry of a group, as far as an audit needs it. */
export interface AuditedEntry {
  readonly id: string
  readonly key: string
  readonly state: State
  readonly reference: string
  readonly generation: number
  readonly externalId: string | null
  readonly isHeld: boolean
  readonly isInDoubt: boolean
  readonly updatedAtMs: JournalTime
  readonly input: JsonValue
  readonly receipt: JsonValue
  /** Whether input and receipt were let go: what it moved is no longer known. */
  readonly isCompact: boolean
  /** How much of it we have given back, and whether more is on its way. */
  readonly undoneMinorUnits: number
  readonly isBeingUndone: boolean
}

/** A listed operation beside the entry of its group. */
export interface JoinedOperation {
  readonly groupId: string
  readonly owned: boolean
  readonly operation: ExternalOperation
  readonly entry: AuditedEntry | null
}

/** Where a page of a read ended. */
export interface AuditPlace {
  readonly groupId: string
  readonly externalId: string
}

/** Entries that an audit of a whole window must have seen, by when their calls can have taken effect. */
export interface AuditCoverage {
  /** How far the clocks of the service and of the journal may be apart. */
  readonly skewMs: number
  readonly settlesWithinMs: number
}

/** An effect of a namespace, by name. */
export interface EffectName {
  readonly namespace: string
  readonly effect: string
}

/** Which findings are meant: those that one audit saw, or those of some effects, whichever audit saw them. */
export type FindingsAmong = (
  | { readonly runId: string; readonly effects?: never }
  | { readonly effects: readonly EffectName[]; readonly runId?: never }
) & {
  /** Of these kinds only. */
  readonly kinds?: readonly FindingKind[]
  /** Of these statuses only. */
  readonly statuses?: readonly FindingStatus[]
}

/**
 * Where audits are kept: the list as it was read, the findings, and the audits themselves. The database does the
 * joining: nothing here hands out more than a page.
 */
export interface AuditStore {
  /** Begins an audit, or resumes an interrupted one of the same request; others that were left are marked incomplete. */
  start(request: AuditRequest): Promise<AuditRun>

  /**
   * Adds operations to the list, and notes cursor and counts as of then; tells which of them were there already. Without
   * a cursor, or where any was there already, the listing cannot be gone on with from here by another.
   */
  stage(
    run: AuditRun,
    operations: readonly StagedOperation[],
    upTo: { readonly cursor: string | null; readonly counts: AuditCounts },
  ): Promise<readonly boolean[]>

  /** Gives operations whose key names no entry to the entry that has their reference, now or in a former generation. */
  resolveReferences(run: AuditRun): Promise<void>

  /** Listed operations beside their entries, by group; a page behind `after`. `whole`: with input and receipt. */
  joined(run: AuditRun, after: AuditPlace | null, limit: number, whole: boolean): Promise<readonly JoinedOperation[]>

  /** Entries that succeeded, must have been listed, and were not; in the order of their ids, behind `after`. */
  unlisted(
    run: AuditRun,
    coverage: AuditCoverage,
    after: string | null,
    limit: number,
  ): Promise<readonly AuditedEntry[]>

  /** Entries in doubt or parked of which the list has nothing, though it must have shown them; behind `after`. */
  absent(run: AuditRun, coverage: AuditCoverage, after: string | null, limit: number): Promise<readonly string[]>

  /** Whether an entry succeeded that the list must have shown. */
  expectsAny(run: AuditRun, coverage: AuditCoverage): Promise<boolean>

  /** Keeps findings: new ones are open, known ones keep what a person decided. */
  keep(run: AuditRun, findings: readonly FindingDraft[]): Promise<void>

  /** Notes how far the audit is. */
  advance(
    run: AuditRun,
    to: { readonly state: AuditState; readonly counts: AuditCounts; readonly note: AuditRun['note'] },
  ): Promise<AuditRun>

  /** Findings, in the order of their ids; a page behind `after`. */
  findings(among: FindingsAmong, after: string | null, limit: number): Promise<readonly Finding[]>

  finding(id: string): Promise<Finding | null>

  /** Notes a decision if the finding has one of these statuses; null otherwise. */
  decide(
    id: string,
    from: readonly FindingStatus[],
    to: { readonly status: FindingStatus; readonly by: string; readonly note: string | null },
  ): Promise<Finding | null>

  /** One audit; null where there is none. */
  run(id: string): Promise<AuditRun | null>

  /** The audits of these effects, the latest first; a page behind `after`. */
  runs(
    effects: readonly EffectName[],
    after: Pick<AuditRun, 'id' | 'startedAtMs'> | null,
    limit: number,
  ): Promise<readonly AuditRun[]>

  /** Forgets the list of an audit that has ended. */
  clear(run: AuditRun): Promise<void>
}

/** An audit that has seen nothing yet. */
export const NO_COUNTS: AuditCounts = {
  listed: 0,
  repeated: 0,
  foreign: 0,
  matched: 0,
  moving: 0,
  undone: 0,
  settled: 0,
  released: 0,
}
