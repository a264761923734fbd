import type { AuditedEffect } from '../engine/audited.js'
import { ConfigurationError, type Finding } from '../protocol/index.js'
import { auditsOf } from './auditor.js'
import { repair } from './repair.js'

/** Who approves a repair, and when it is made. */
export interface Approval {
  readonly actor: string
  readonly reason?: string
  /** `later`: nothing is sent now; `repairFinding` makes it, or the next audit that may repair. Default `now`. */
  readonly repair?: 'now' | 'later'
}

/**
 * Approves a finding and repairs it: a duplicate or an orphan is undone, once. What cannot be done at once is done by the
 * next audit that may repair. Approving what is repaired already changes nothing.
 *
 * @throws {ConfigurationError} there is no such finding, of its kind nothing can be repaired by undoing, or the service has
 * refused to undo it: that stands (P6).
 */
export async function approveFinding<Tx>(audited: AuditedEffect<Tx>, id: string, by: Approval): Promise<Finding> {
  const store = auditsOf(audited)
  const finding = await found(audited, id)
  refuse(approvalProblem(finding))
  const decision = { status: 'approved' as const, by: actorOf(by), note: by.reason ?? null }
  const approved = await store.decide(id, ['open', 'approved', 'dismissed'], decision)
  const stands = approved ?? (await found(audited, id))
  refuse(approvalProblem(stands))
  return approved === null || by.repair === 'later' ? stands : carriedOut(audited, approved)
}

/**
 * Why a finding cannot be approved; null where it can, or is repaired already. Pure.
 */
export function approvalProblem({ id, kind, status, note }: Finding): string | null {
  if (kind !== 'duplicate' && kind !== 'orphan') {
    return `The finding ${id} is of kind ${kind}, which is not repaired by undoing an operation. Nothing was done. Look into it, and dismiss it.`
  }
  if (status !== 'refused') return null
  return (
    `The finding ${id} cannot be approved: the service has refused to undo its operation, and that stands ` +
    `(${note ?? 'it gave no reason'}). Nothing was done. Undo it there by hand, and dismiss the finding.`
  )
}

/**
 * Carries out the repair of a finding that a person has approved: its operation is undone, once. What is repaired already
 * stays so. It is still `approved` afterwards where the outcome is not known yet: the undoing goes on by itself.
 *
 * @throws {ConfigurationError} there is no such finding, or nobody has approved it.
 */
export async function repairFinding<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Finding> {
  const finding = await found(audited, id)
  if (finding.status === 'approved') return carriedOut(audited, finding)
  if (finding.status === 'repaired') return finding
  throw new ConfigurationError(
    `The finding ${id} is ${finding.status}, not approved. Nothing was sent. Approve it first.`,
  )
}

async function carriedOut<Tx>(audited: AuditedEffect<Tx>, approved: Finding): Promise<Finding> {
  const signal = new AbortController().signal
  await repair(approved, { store: auditsOf(audited), audited, signal, check: () => undefined })
  return found(audited, approved.id)
}

function refuse(problem: string | null): void {
  if (problem !== null) throw new ConfigurationError(problem)
}

/**
 * Says that what was found may stay as it is. Dismissing what is dismissed already changes nothing.
 *
 * @throws {ConfigurationError} there is no such finding, what it was about is repaired, or actor or reason is missing.
 */
export async function dismissFinding<Tx>(
  audited: AuditedEffect<Tx>,
  id: string,
  by: { readonly actor: string; readonly reason: string },
): Promise<Finding> {
  if (typeof by.reason !== 'string' || by.reason.trim() === '')
    throw new ConfigurationError('Say why: `reason` is empty.')
  const decision = { status: 'dismissed' as const, by: actorOf(by), note: by.reason }
  await auditsOf(audited).decide(id, ['open', 'approved', 'refused'], decision)
  const finding = await found(audited, id)
  refuse(dismissalProblem(finding))
  return finding
}

/** Why a finding cannot be dismissed; null where it can, or is already. Pure. */
export function dismissalProblem({ id, status }: Finding): string | null {
  if (status !== 'repaired') return null
  return (
    `The finding ${id} is repaired: its operation was undone, or its entry settled by it, which no dismissal takes back. ` +
    'Nothing was done.'
  )
}

async function found<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Finding> {
  const finding = await auditsOf(audited).finding(id)
  if (finding !== null) return finding
  throw new ConfigurationError(`There is no finding ${id}. Nothing was done.`)
}

function actorOf({ actor }: { readonly actor: string }): string {
  if (typeof actor === 'string' && actor.trim() !== '') return actor
  throw new ConfigurationError('Say who decides: `actor` is empty.')
}
