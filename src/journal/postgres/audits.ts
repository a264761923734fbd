import {
  type AuditCounts,
  type AuditCoverage,
  type AuditedEntry,
  type AuditPlace,
  type AuditRequest,
  type AuditRun,
  type AuditStore,
  type EffectName,
  FINDING_KINDS,
  FINDING_STATUSES,
  type Finding,
  type FindingDraft,
  type FindingStatus,
  type FindingsAmong,
  type JoinedOperation,
  LeaseLostError,
  NO_COUNTS,
  type StagedOperation,
} from '../../protocol/index.js'
import { realRandomness } from '../../system/index.js'
import { auditedEntryOf, findingColumns, findingOf, joinedOf, runOf, stagedColumns, totalOf } from './audit-rows.js'
import { uuidOf } from './batches.js'
import type { Database, Row } from './database.js'
import type { Statements } from './statements.js'

/** Where the audits of one journal are kept. */
export interface AuditsAt {
  readonly database: Database
  readonly sql: Statements
  /** Resolves when the schema is there. */
  readonly prepare: () => Promise<unknown>
}

/** Operations that one statement may forget: each is a transaction that others may have to wait for. */
const FORGOTTEN_AT_ONCE = 16_000

/** Among how many audits lists are looked for that were left behind: each audit looks, so that few are. */
const LOOKED_BACK_RUNS = 50

const INTERRUPTED = {
  code: 'interrupted',
  message:
    'Its process ended before it did. What it had settled or repaired by then stands; a later audit looks again.',
}

/**
 * Audits in tables beside the entries: PostgreSQL joins, and this hands out pages.
 *
 * The list is in a logged table. An unlogged one would spare its WAL, but a crash of the server empties it, in the middle
 * of an audit too, and what is not in the list counts as absent at the service: from a lost list follow findings that are
 * false and, with `absent: 'retry'`, second calls. Each statement that concludes from an absence would have to prove in
 * its own snapshot that the list is whole. The WAL of a list, which is written once per audit, is the cheaper part.
 */
export class PostgresAudits implements AuditStore {
  readonly #at: AuditsAt

  constructor(at: AuditsAt) {
    this.#at = at
  }

  async start(request: AuditRequest): Promise<AuditRun> {
    await this.#at.prepare()
    const { database, sql } = this.#at
    const { namespace, effect, fence } = request
    const [left] = await database.write('resume an audit', sql.resumeRun, [
      ...[namespace, effect, request.request, request.resumeWithinMs, fence],
      JSON.stringify(INTERRUPTED),
    ])
    if (left !== undefined) return runOf(left, true)
    await this.#forgetLeft(namespace, effect)
    const id = uuidOf(realRandomness.token())
    const [row] = await database.write('begin an audit', sql.startRun, [
      ...[id, fence, micros(request.fromMs), micros(request.toMs), request.sinceMs, micros(request.dueAtMs)],
      ...[namespace, effect, request.request, JSON.stringify(NO_COUNTS)],
    ])
    return runOf(row ?? [], false)
  }

  async stage(
    run: AuditRun,
    operations: readonly StagedOperation[],
    upTo: { readonly cursor: string | null; readonly counts: AuditCounts },
  ): Promise<readonly boolean[]> {
    const { database, sql } = this.#at
    const values = [run.id, run.fence, upTo.cursor, ...stagedColumns(operations), JSON.stringify(upTo.counts)]
    const rows = await database.write('keep a page of the list', sql.stageOperations, values)
    if (rows[0]?.[1] !== '1') throw lost(run)
    const before = new Set(rows.slice(1).map((row) => Number(row[1])))
    const inBatch = new Set<string>()
    return operations.map(({ operation: { externalId } }, i) => {
      const repeated = before.has(i + 1) || inBatch.has(externalId)
      inBatch.add(externalId)
      return repeated
    })
  }

  async resolveReferences(run: AuditRun): Promise<void> {
    const values = [run.id, run.namespace, run.effect, micros(run.fromMs), micros(run.toMs)]
    await this.#at.database.write('resolve references', this.#at.sql.resolveReferences, values)
  }

  async joined(
    run: AuditRun,
    after: AuditPlace | null,
    limit: number,
    whole: boolean,
  ): Promise<readonly JoinedOperation[]> {
    const values = [run.id, after?.groupId ?? null, after?.externalId ?? null, limit, whole]
    return (await this.#at.database.read('join the list', this.#at.sql.joinOperations, values)).map(joinedOf)
  }

  async unlisted(
    run: AuditRun,
    { skewMs, settlesWithinMs }: AuditCoverage,
    after: string | null,
    limit: number,
  ): Promise<readonly AuditedEntry[]> {
    const values = [run.id, skewMs, settlesWithinMs, after, limit]
    const rows = await this.#at.database.read('look for unlisted entries', this.#at.sql.unlistedEntries, values)
    return rows.map((row) => auditedEntryOf(row))
  }

  async absent(
    run: AuditRun,
    { skewMs, settlesWithinMs }: AuditCoverage,
    after: string | null,
    limit: number,
  ): Promise<readonly string[]> {
    const values = [run.id, skewMs, settlesWithinMs, after, limit]
    const rows = await this.#at.database.read('look for absent entries', this.#at.sql.absentEntries, values)
    return rows.map((row) => row[0] ?? '')
  }

  async expectsAny(run: AuditRun, { skewMs, settlesWithinMs }: AuditCoverage): Promise<boolean> {
    const values = [run.id, skewMs, settlesWithinMs]
    return (await this.#at.database.read('look for entries', this.#at.sql.expectedEntries, values)).length > 0
  }

  async keep(run: AuditRun, findings: readonly FindingDraft[]): Promise<void> {
    if (findings.length === 0) return
    const values = [run.id, run.fence, ...findingColumns(findings)]
    const kept = await this.#at.database.write('keep findings', this.#at.sql.keepFindings, values)
    if (kept.length < findings.length) throw lost(run)
  }

  async advance(run: AuditRun, to: Pick<AuditRun, 'state' | 'counts' | 'note'>): Promise<AuditRun> {
    const note = to.note === null ? null : JSON.stringify(to.note)
    const values = [run.id, run.fence, to.state, JSON.stringify(to.counts), note]
    const [row] = await this.#at.database.write('note how far an audit is', this.#at.sql.advanceRun, values)
    if (row === undefined) throw lost(run)
    return this.#withTotals(runOf(row, run.resumed))
  }

  async findings(among: FindingsAmong, after: string | null, limit: number): Promise<readonly Finding[]> {
    await this.#at.prepare()
    const { database, sql } = this.#at
    const { runId, effects, kinds = FINDING_KINDS, statuses = FINDING_STATUSES } = among
    const which = [kinds, statuses, after, limit]
    const rows =
      runId === undefined
        ? await database.read('read findings', sql.findingsOfEffects, [...namesOf(effects), ...which])
        : await database.read('read findings', sql.findingsOfRun, [runId, ...which])
    return rows.map(findingOf)
  }

  async finding(id: string): Promise<Finding | null> {
    await this.#at.prepare()
    const [row] = await this.#at.database.read('read a finding', this.#at.sql.readFinding, [id])
    return row === undefined ? null : findingOf(row)
  }

  async decide(
    id: string,
    from: readonly FindingStatus[],
    to: { readonly status: FindingStatus; readonly by: string; readonly note: string | null },
  ): Promise<Finding | null> {
    await this.#at.prepare()
    const values = [id, from, to.status, to.by, to.note]
    const [row] = await this.#at.database.write('note a decision', this.#at.sql.decideFinding, values)
    return row === undefined ? null : findingOf(row)
  }

  async run(id: string): Promise<AuditRun | null> {
    await this.#at.prepare()
    const [row] = await this.#at.database.read('read an audit', this.#at.sql.readRun, [id])
    return row === undefined ? null : this.#withTotals(runOf(row, false))
  }

  async runs(...[effects, after, limit]: Parameters<AuditStore['runs']>): Promise<readonly AuditRun[]> {
    await this.#at.prepare()
    const behind = [micros(after?.startedAtMs ?? null), after?.id ?? null]
    const values = [...namesOf(effects), ...behind, limit]
    const rows = await this.#at.database.read('read audits', this.#at.sql.readRuns, values)
    return this.#withTotalsOfAll(rows.map((row) => runOf(row, false)))
  }

  async clear(run: AuditRun): Promise<void> {
    await this.#forget(run.id)
  }

  /** Lists of audits whose process was killed, and which nobody goes on with. */
  async #forgetLeft(namespace: string, effect: string): Promise<void> {
    const { database, sql } = this.#at
    const left = await database.read('look for left lists', sql.leftLists, [namespace, effect, LOOKED_BACK_RUNS])
    for (const [id] of left) await this.#forget(id ?? '')
  }

  async #forget(runId: string): Promise<void> {
    const { database, sql } = this.#at
    let last: Row | undefined = [null, null]
    while (last !== undefined) {
      const [groupId, externalId]: Row = last
      const values = [runId, groupId, externalId, FORGOTTEN_AT_ONCE]
      ;[last] = await database.write('forget a list', sql.clearOperations, values)
    }
  }

  async #withTotals(run: AuditRun): Promise<AuditRun> {
    const [summed = run] = await this.#withTotalsOfAll([run])
    return summed
  }

  async #withTotalsOfAll(runs: readonly AuditRun[]): Promise<readonly AuditRun[]> {
    const ids = runs.map(({ id }) => id)
    if (ids.length === 0) return []
    const rows = await this.#at.database.read('sum up findings', this.#at.sql.totalsOfRuns, [ids])
    return runs.map((run) => ({ ...run, totals: rows.filter(([id]) => id === run.id).map(totalOf) }))
  }
}

/** Names of effects as two parameters: namespaces, and names. */
function namesOf(effects: readonly EffectName[]): [string[], string[]] {
  return [effects.map(({ namespace }) => namespace), effects.map(({ effect }) => effect)]
}

function lost(run: AuditRun): LeaseLostError {
  return new LeaseLostError(
    `The audit ${run.id} of ${run.effect} is over, or another process goes on with it. What this one wanted to write ` +
      'changed nothing.',
  )
}

function micros(timeMs: number | null): number | null {
  return timeMs === null ? null : Math.round(timeMs * 1000)
}
