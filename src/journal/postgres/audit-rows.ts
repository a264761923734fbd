import type {
  AuditCounts,
  AuditedEntry,
  AuditRun,
  AuditState,
  AuditTotal,
  ExternalOperation,
  Finding,
  FindingDraft,
  FindingKind,
  FindingStatus,
  JoinedOperation,
  JsonValue,
  Money,
  StagedOperation,
  State,
} from '../../protocol/index.js'
import type { Row } from './database.js'
import { timeOf } from './row.js'

/** The audit in a row of the columns of sql/audit-list.ts; its totals are read apart. */
export function runOf(row: Row, resumed: boolean): AuditRun {
  const cursor = row[11] ?? null
  return {
    id: text(row, 0),
    fence: Number(row[1]),
    startedAtMs: timeOf(row[2]),
    fromMs: timeOf(row[3]),
    toMs: timeOf(row[4]),
    endedAtMs: timeOrNull(row, 5),
    dueAtMs: timeOrNull(row, 6),
    namespace: text(row, 7),
    effect: text(row, 8),
    request: text(row, 9),
    state: text(row, 10) as AuditState,
    cursor,
    counts: JSON.parse(text(row, 12)) as AuditCounts,
    note: row[13] === null || row[13] === undefined ? null : (JSON.parse(row[13]) as AuditRun['note']),
    totals: [],
    resumed,
  }
}

/** The arrays of `stageOperations`, from its fourth parameter. */
export function stagedColumns(staged: readonly StagedOperation[]): unknown[] {
  const operations = staged.map((each) => each.operation)
  return [
    staged.map((each) => each.groupId),
    operations.map((each) => each.externalId),
    operations.map((each) => each.createdAtMs * 1000),
    operations.map((each) => each.state),
    operations.map((each) => each.amount?.minorUnits ?? null),
    operations.map((each) => each.amount?.undoneMinorUnits ?? null),
    operations.map((each) => each.amount?.currency.toLowerCase() ?? null),
    operations.map((each) => each.reference),
    operations.map((each) => each.key),
    staged.map((each) => each.owned),
  ]
}

const OPERATION_WIDTH = 10

/** A row of `joinOperations`. */
export function joinedOf(row: Row): JoinedOperation {
  const money = moneyOf(row, 7, 8)
  const operation: ExternalOperation = {
    externalId: text(row, 1),
    reference: row[3] ?? null,
    key: row[4] ?? null,
    createdAtMs: timeOf(row[5]),
    state: text(row, 6) as ExternalOperation['state'],
    amount: money === null ? null : { ...money, undoneMinorUnits: Number(row[9]) },
  }
  const entry = row[OPERATION_WIDTH] === null ? null : auditedEntryOf(row, OPERATION_WIDTH)
  return { groupId: text(row, 0), owned: row[2] === 't', operation, entry }
}

/** What an audit reads of an entry, from column `at` on. */
export function auditedEntryOf(row: Row, at = 0): AuditedEntry {
  return {
    id: text(row, at),
    key: text(row, at + 1),
    state: text(row, at + 2) as State,
    reference: text(row, at + 3),
    generation: Number(row[at + 4]),
    externalId: row[at + 5] ?? null,
    isHeld: row[at + 6] === 't',
    isInDoubt: row[at + 7] === 't',
    updatedAtMs: timeOf(row[at + 8]),
    input: jsonOf(row[at + 9]),
    receipt: jsonOf(row[at + 10]),
    undoneMinorUnits: Number(row[at + 11] ?? 0),
    isBeingUndone: row[at + 12] === 't',
    isCompact: row[at + 13] === 't',
  }
}

/** The arrays of `keepFindings`, from its third parameter. */
export function findingColumns(findings: readonly FindingDraft[]): unknown[] {
  return [
    findings.map((each) => each.id),
    findings.map((each) => each.kind),
    findings.map((each) => each.code),
    findings.map((each) => each.message),
    findings.map((each) => each.externalId),
    findings.map((each) => each.reference),
    findings.map((each) => each.entryId),
    findings.map((each) => each.key),
    findings.map((each) => each.kept?.externalId ?? null),
    findings.map((each) => each.kept?.seenLive ?? null),
    findings.map((each) => each.amount?.minorUnits ?? null),
    findings.map((each) => each.amount?.currency ?? null),
    findings.map((each) => each.expected?.minorUnits ?? null),
    findings.map((each) => each.expected?.currency ?? null),
  ]
}

/** The finding in a row of the columns of sql/audit-match.ts. */
export function findingOf(row: Row): Finding {
  const keptId = row[8] ?? null
  return {
    id: text(row, 0),
    kind: text(row, 1) as FindingKind,
    code: text(row, 2),
    message: text(row, 3),
    externalId: row[4] ?? null,
    reference: row[5] ?? null,
    entryId: row[6] ?? null,
    key: row[7] ?? null,
    kept: keptId === null ? null : { externalId: keptId, seenLive: row[9] === 't' },
    amount: moneyOf(row, 10, 11),
    expected: moneyOf(row, 12, 13),
    namespace: text(row, 14),
    effect: text(row, 15),
    status: text(row, 16) as FindingStatus,
    foundAtMs: timeOf(row[17]),
    firstRunId: text(row, 18),
    lastRunId: text(row, 19),
    decidedBy: row[20] ?? null,
    decidedAtMs: timeOrNull(row, 21),
    note: row[22] ?? null,
  }
}

/** A row of `totalsOfRuns`, behind its run's id. */
export function totalOf(row: Row): AuditTotal {
  return {
    kind: text(row, 1) as FindingKind,
    status: text(row, 2) as FindingStatus,
    currency: row[3] ?? null,
    count: Number(row[4]),
    minorUnits: Number(row[5]),
  }
}

function text(row: Row, at: number): string {
  return row[at] ?? ''
}

function timeOrNull(row: Row, at: number): number | null {
  return row[at] === null || row[at] === undefined ? null : timeOf(row[at])
}

function moneyOf(row: Row, amountAt: number, currencyAt: number): Money | null {
  const [minorUnits, currency] = [row[amountAt] ?? null, row[currencyAt] ?? null]
  return minorUnits === null || currency === null ? null : { minorUnits: Number(minorUnits), currency }
}

function jsonOf(value: string | null | undefined): JsonValue {
  return value === null || value === undefined ? null : (JSON.parse(value) as JsonValue)
}
