import type { AuditedEffect } from '../engine/audited.js'
import {
  type AuditRun,
  type AuditStore,
  CompensationRefused,
  CounterfoilError,
  currencyCode,
  EffectInDoubt,
  type Finding,
  type JsonValue,
  type Money,
} from '../protocol/index.js'
import { type AutoPolicy, capOf } from './options.js'

const PAGE_ROWS = 500

/** The longest wait for one undoing; it goes on by itself afterwards. */
const UNDO_WAIT_MS = 60_000

/** What repairing needs to know. */
export interface RepairingOf<Tx> {
  readonly store: AuditStore
  readonly audited: AuditedEffect<Tx>
  readonly signal: AbortSignal
  readonly check: () => void
}

/** Why an audit asks though it has a policy; null where it did not have to. */
export type Asked = { readonly code: string; readonly message: string } | null

/** Undoes what a person has approved, of this effect, whichever audit found it. */
export async function repairApproved<Tx>(of: RepairingOf<Tx>): Promise<void> {
  const among = { effects: [of.audited.name], statuses: ['approved'] } as const
  let after: string | null = null
  for (;;) {
    const page: readonly Finding[] = await of.store.findings(among, after, PAGE_ROWS)
    for (const finding of page) await repair(finding, of)
    after = page.at(-1)?.id ?? null
    if (after === null || page.length < PAGE_ROWS) return
  }
}

/**
 * Undoes the duplicates of an audit under a policy, all or none: what it would undo is summed up before anything is, so
 * that a bug that flags everything refunds nothing.
 */
export async function repairByPolicy<Tx>(run: AuditRun, policy: AutoPolicy, of: RepairingOf<Tx>): Promise<Asked> {
  const sum = new Sum()
  for await (const finding of findingsOf(run, of.store)) if (isAutomatic(finding, policy)) sum.add(finding)
  const asked = sum.exceeds(policy, run.counts.listed - run.counts.foreign)
  if (asked !== null) return asked
  for await (const finding of findingsOf(run, of.store)) {
    if (finding.status === 'open' && isAutomatic(finding, policy)) await repair(finding, of)
  }
  return null
}

async function* findingsOf(run: AuditRun, store: AuditStore): AsyncGenerator<Finding> {
  let after: string | null = null
  for (;;) {
    const page: readonly Finding[] = await store.findings({ runId: run.id }, after, PAGE_ROWS)
    yield* page
    after = page.at(-1)?.id ?? null
    if (after === null || page.length < PAGE_ROWS) return
  }
}

/**
 * Whether a policy may decide about it: a duplicate whose twin this audit saw live with its own eyes, with an amount that
 * a cap bounds. Everything else takes a person. What has been repaired counts too: an audit that goes on after a crash
 * has no more to spend than one that did not crash.
 */
function isAutomatic(finding: Finding, policy: AutoPolicy): finding is Finding & { readonly amount: Money } {
  const { kind, status, kept, amount } = finding
  if (kind !== 'duplicate' || kept?.seenLive !== true || amount === null) return false
  if (status !== 'open' && status !== 'repaired') return false
  return capOf(policy, amount.currency) !== null
}

class Sum {
  #count = 0
  readonly #byCurrency = new Map<string, number>()

  add({ amount: { minorUnits, currency } }: { readonly amount: Money }): void {
    const name = currencyCode(currency)
    this.#count++
    this.#byCurrency.set(name, (this.#byCurrency.get(name) ?? 0) + minorUnits)
  }

  exceeds(policy: AutoPolicy, ours: number): Asked {
    const { maxCount, maxShare } = policy
    if (this.#count > maxCount) return exceeded('count', `${this.#count} operations`, `${maxCount}`)
    if (this.#count > maxShare * ours) return exceeded('share', `${this.#count} of ${ours} operations`, `${maxShare}`)
    for (const [currency, minorUnits] of this.#byCurrency) {
      const cap = capOf(policy, currency) ?? 0
      if (minorUnits > cap) return exceeded('amount', `${minorUnits} ${currency}`, `${cap} ${currency}`)
    }
    return null
  }
}

function exceeded(cap: string, found: string, allowed: string): Asked {
  return {
    code: `cap_${cap}`,
    message: `To repair all would undo ${found}, and the policy allows ${allowed}. Nothing was undone by policy: approve what is right.`,
  }
}

/**
 * Undoes the operation that a finding is about, once, keyed by its external id (P10). The finding's status is written in
 * the transaction that records what came of it; here only what was refused before it began is noted.
 */
export async function repair<Tx>(finding: Finding, of: RepairingOf<Tx>): Promise<Finding | null> {
  of.check()
  const { externalId } = finding
  const by = finding.decidedBy ?? 'policy'
  if (externalId === null) return null
  const problem = await stillTrue(finding, of)
  if (problem !== null) return of.store.decide(finding.id, ['open', 'approved'], { status: 'open', by, note: problem })
  try {
    await of.audited.undo(finding.key ?? externalId, await undoingOf(finding, externalId, of), UNDO_WAIT_MS, of.signal)
    // Written already, unless the same undoing was asked for before by other means.
    return await of.store.decide(finding.id, ['open', 'approved'], { status: 'repaired', by, note: null })
  } catch (error) {
    if (error instanceof CompensationRefused) {
      return of.store.decide(finding.id, ['open', 'approved'], { status: 'refused', by, note: error.message })
    }
    // It goes on by itself, and its end will be written; one that is parked is seen as such.
    if (error instanceof EffectInDoubt || (error instanceof CounterfoilError && error.code === 'key_reuse')) return null
    throw error
  }
}

async function undoingOf<Tx>(finding: Finding, externalId: string, of: RepairingOf<Tx>) {
  const entry = await entryOf(finding, of)
  const recorded = entry !== null && entry.externalId === externalId
  const receipt: JsonValue = recorded ? entry.receipt : null
  return {
    externalId,
    entryId: recorded ? entry.id : null,
    receipt,
    total: finding.amount,
    part: null,
    refundKey: null,
    reason: 'duplicate',
    actor: finding.decidedBy,
    findingId: finding.id,
  }
}

/** Whether what made it a finding still holds; else what has changed. */
async function stillTrue<Tx>(finding: Finding, of: RepairingOf<Tx>): Promise<string | null> {
  const entry = await entryOf(finding, of)
  if (finding.kind !== 'duplicate' || entry === null || finding.kept === null) return null
  if (entry.externalId === null || entry.externalId !== finding.kept.externalId) {
    return entry.externalId === finding.externalId
      ? 'Meanwhile its entry stands for this very operation: it is none too many.'
      : null
  }
  return entry.state === 'succeeded'
    ? null
    : `Meanwhile the operation that was to be kept is ${entry.state}: with both undone, nothing would be left.`
}

async function entryOf<Tx>(finding: Finding, of: RepairingOf<Tx>) {
  if (finding.entryId === null) return null
  const [seen] = await of.audited.context.journal.read([finding.entryId])
  return seen?.entry ?? null
}
