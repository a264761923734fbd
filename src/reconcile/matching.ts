import type { AuditedEffect } from '../engine/audited.js'
import {
  type AuditCounts,
  type AuditCoverage,
  type AuditedEntry,
  type AuditPlace,
  type AuditRun,
  type AuditStore,
  acceptsEvidence,
  type ExternalOperation,
  type FindingDraft,
  type JoinedOperation,
  type JsonValue,
  type Money,
  type Seen,
  toJsonLossy,
} from '../protocol/index.js'
import { findingId, type JudgeTerms, judge, missingFinding } from './judge.js'

/** Rows of a page: flat memory, few round trips. */
const PAGE_ROWS = 2_000

/** What matching needs to know. */
export interface MatchingOf<Tx> {
  readonly store: AuditStore
  readonly audited: AuditedEffect<Tx>
  readonly coverage: AuditCoverage
  /** Whether evidence settles entries; a dry run only finds. */
  readonly settles: boolean
  /** Whether what the list proves absent may be tried again. */
  readonly releases: boolean
  readonly check: () => void
}

/** Reads the list beside the entries, group by group, and keeps what it finds. */
export async function match<Tx>(run: AuditRun, of: MatchingOf<Tx>): Promise<AuditCounts> {
  const matching = new Matching(run, of)
  await matching.listed()
  await matching.unlisted()
  if (of.settles && of.releases) await matching.absent()
  return matching.counts
}

class Matching<Tx> {
  readonly #run: AuditRun
  readonly #of: MatchingOf<Tx>
  readonly #terms: JudgeTerms
  #counts: AuditCounts
  #findings: FindingDraft[] = []
  #late: { readonly entry: AuditedEntry; readonly operation: ExternalOperation }[] = []

  constructor(run: AuditRun, of: MatchingOf<Tx>) {
    this.#run = run
    this.#of = of
    const { namespace, effect, startedAtMs } = run
    this.#terms = { namespace, effect, restedByMs: startedAtMs - of.coverage.settlesWithinMs }
    // What an interrupted matching had counted is counted again; what it settled stays settled.
    this.#counts = { ...run.counts, matched: 0, moving: 0, undone: 0 }
  }

  get counts(): AuditCounts {
    return this.#counts
  }

  async listed(): Promise<void> {
    const { store, audited, check } = this.#of
    const whole = audited.effect.provider.amount !== undefined
    let after: AuditPlace | null = null
    let group: JoinedOperation[] = []
    for (;;) {
      check()
      const page: readonly JoinedOperation[] = await store.joined(this.#run, after, PAGE_ROWS, whole)
      for (const row of page) {
        if (group[0] !== undefined && group[0].groupId !== row.groupId) {
          const judging = this.#judge(group)
          // Without a promise where nothing is to be waited for: a million of them would take seconds.
          if (judging !== null) await judging
          group = []
        }
        group.push(row)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ROWS) break
      after = { groupId: last.groupId, externalId: last.operation.externalId }
    }
    if (group.length > 0) await this.#judge(group)
    await this.#keep()
  }

  #judge(rows: readonly JoinedOperation[]): Promise<unknown> | null {
    const entry = rows[0]?.entry ?? null
    const expecting = entry === null || !isRecorded(entry) ? null : this.#expected(entry)
    if (expecting instanceof Promise) return expecting.then((expected) => this.#judged(rows, entry, expected))
    return this.#judged(rows, entry, expecting)
  }

  #judged(rows: readonly JoinedOperation[], entry: AuditedEntry | null, expected: Money | null): Promise<void> | null {
    const verdict = judge({ operations: rows, entry, expected }, this.#terms)
    const { listed, foreign, matched, moving, undone } = this.#counts
    this.#counts = {
      ...this.#counts,
      // What only its key might have made ours, and no entry confirmed, is other people's.
      ...{ listed, foreign: foreign + verdict.foreign, matched: matched + verdict.matched },
      ...{ moving: moving + verdict.moving, undone: undone + verdict.undone },
    }
    this.#findings.push(...verdict.findings)
    if (verdict.lateSuccess !== null && entry !== null && this.#of.settles) {
      this.#late.push({ entry, operation: verdict.lateSuccess })
    }
    return this.#findings.length >= PAGE_ROWS ? this.#keep() : null
  }

  #expected(entry: AuditedEntry): Promise<Money | null> | Money | null {
    return this.#of.audited.amountOf(this.#of.audited.effect, entry)
  }

  async #settleLate(entry: AuditedEntry, operation: ExternalOperation): Promise<void> {
    const { journal } = this.#of.audited.context
    const [seen] = await journal.read([entry.id])
    if (seen === undefined || seen === null || !acceptsEvidence(seen.entry, seen.nowMs)) return
    const receipt = await this.#receiptOf(seen, operation)
    const { externalId } = operation
    const after = await this.#of.audited.settle(seen, { kind: 'present', receipt, externalId })
    if (after === null) return
    this.#counts = { ...this.#counts, settled: this.#counts.settled + 1 }
    await this.#of.store.decide(findingId(this.#terms, 'orphan', externalId), ['open', 'approved'], {
      status: 'repaired',
      by: 'evidence',
      note: 'The list showed it, and its entry was settled by that.',
    })
  }

  /** What `execute` would have returned: asked for where the service can be asked, else what the list shows. */
  async #receiptOf(seen: Seen, operation: ExternalOperation): Promise<JsonValue> {
    const looked = await this.#of.audited.lookUp(seen)
    if (looked?.result.kind === 'present' && looked.result.externalId === operation.externalId) {
      return looked.result.receipt
    }
    return toJsonLossy({ id: operation.externalId, ...operation })
  }

  async unlisted(): Promise<void> {
    const { store, coverage, check } = this.#of
    let after: string | null = null
    for (;;) {
      check()
      const page: readonly AuditedEntry[] = await store.unlisted(this.#run, coverage, after, PAGE_ROWS)
      for (const entry of page) this.#findings.push(missingFinding(entry, await this.#expected(entry), this.#terms))
      await this.#keep()
      after = page.at(-1)?.id ?? null
      if (after === null || page.length < PAGE_ROWS) return
    }
  }

  /** What the list must have shown and did not has not happened (P4 b): it may be tried again. */
  async absent(): Promise<void> {
    const { store, coverage, audited, check } = this.#of
    let after: string | null = null
    for (;;) {
      check()
      const ids: readonly string[] = await store.absent(this.#run, coverage, after, PAGE_ROWS)
      for (const seen of await audited.context.journal.read(ids)) if (seen !== null) await this.#release(seen)
      after = ids.at(-1) ?? null
      if (after === null || ids.length < PAGE_ROWS) return
    }
  }

  async #release(seen: Seen): Promise<void> {
    const { maxAttempts } = this.#of.audited.effect.capabilities.limits
    const { entry } = seen
    const { skewMs, settlesWithinMs } = this.#of.coverage
    const restedByMs = this.#run.startedAtMs - skewMs - settlesWithinMs
    // It may have been called again since the list was read.
    if (entry.inDoubtSinceMs === null || (entry.lastDeadlineAtMs ?? 0) > restedByMs) return
    const after = await this.#of.audited.settle(seen, { kind: 'absent', maxAttempts, calledOff: null })
    if (after !== null) this.#counts = { ...this.#counts, released: this.#counts.released + 1 }
  }

  async #keep(): Promise<void> {
    const [findings, late] = [this.#findings, this.#late]
    this.#findings = []
    this.#late = []
    await this.#of.store.keep(this.#run, findings)
    // Kept first: a process that dies between leaves a finding, and not a change that nobody can explain.
    for (const { entry, operation } of late) await this.#settleLate(entry, operation)
  }
}

function isRecorded(entry: AuditedEntry): boolean {
  return entry.state === 'succeeded' || entry.state === 'compensated'
}
