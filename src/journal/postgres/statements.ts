import {
  advanceRun,
  clearOperations,
  leftLists,
  readRun,
  readRuns,
  resolveReferences,
  resumeRun,
  stageOperations,
  startRun,
} from './sql/audit-list.js'
import {
  absentEntries,
  decideFinding,
  endOfRepair,
  expectedEntries,
  findingsOfEffects,
  findingsOfRun,
  joinOperations,
  keepFindings,
  readFinding,
  totalsOfRuns,
  unlistedEntries,
} from './sql/audit-match.js'
import { beginEntries, beginEntry, enqueueEntries, enqueueEntry, standingEntries } from './sql/begin.js'
import { beginAndSucceed } from './sql/begin-and-write.js'
import { claimDueEntries, claimEntry, claimFreshEntries, headEntries } from './sql/claim.js'
import {
  endCompensation,
  insertCompensation,
  readCompensation,
  readUndone,
  takeEntry,
  takeUndone,
  writeCompensationState,
  writeUndone,
} from './sql/compensate.js'
import { readGroup, settleByEvidence } from './sql/evidence.js'
import {
  countRedelivery,
  decideMessage,
  noteMessageFailure,
  purgeMessages,
  readMessage,
  takeMessage,
} from './sql/inbox.js'
import { parkedEntries } from './sql/parked.js'
import { awaitEntries, earlierFingerprints, nextDue, readEntries } from './sql/read.js'
import { renewEntry } from './sql/renew.js'
import { ageEntries, entryBlocks } from './sql/retention.js'
import {
  deadSettlements,
  dueSettlements,
  markSettled,
  noteSettlementFailure,
  retrySettlement,
  takeForSettlement,
} from './sql/settle.js'
import { sweepBatches } from './sql/sweep.js'
import { writeChanges, writeSuccess, writeSuccesses } from './sql/write.js'
import type { QuotedSchema, Statement } from './statement.js'

const SQL = {
  begin: beginEntries,
  beginOne: beginEntry,
  beginAndSucceed,
  enqueue: enqueueEntries,
  enqueueOne: enqueueEntry,
  standing: standingEntries,
  heads: headEntries,
  write: writeChanges,
  succeed: writeSuccesses,
  succeedOne: writeSuccess,
  claim: claimEntry,
  claimDue: claimDueEntries,
  claimFresh: claimFreshEntries,
  read: readEntries,
  await: awaitEntries,
  renew: renewEntry,
  earlierFingerprints,
  nextDue,
  dueSettlements,
  takeForSettlement,
  markSettled,
  noteSettlementFailure,
  deadSettlements,
  retrySettlement,
  parked: parkedEntries,
  sweep: sweepBatches,
  settleByEvidence,
  readGroup,
  takeUndone,
  readUndone,
  writeUndone,
  readCompensation,
  insertCompensation,
  endCompensation,
  takeEntry,
  writeCompensationState,
  resumeRun,
  startRun,
  advanceRun,
  readRun,
  readRuns,
  stageOperations,
  resolveReferences,
  clearOperations,
  leftLists,
  joinOperations,
  unlistedEntries,
  expectedEntries,
  absentEntries,
  keepFindings,
  findingsOfEffects,
  findingsOfRun,
  totalsOfRuns,
  readFinding,
  decideFinding,
  endOfRepair,
  takeMessage,
  readMessage,
  decideMessage,
  countRedelivery,
  noteMessageFailure,
  purgeMessages,
  entryBlocks,
  age: ageEntries,
}

/** The journal's statements, by what they do. */
export type Statements = Readonly<Record<keyof typeof SQL, Statement>>

/** The journal's statements for one schema. */
export function statementsFor(schema: QuotedSchema): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, statement]) => [name, statement(schema)])) as Statements
}
