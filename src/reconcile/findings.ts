import type { AuditedEffect } from '../engine/audited.js'
import { ConfigurationError, type Finding } from '../protocol/index.js'
import { auditsOf } from './auditor.js'
import { repair } from './repair.js'

/**
 * Approves a finding and repairs it: a duplicate or an orphan is undone, once. What cannot be done at once is done by the
 * next audit that may repair. Approving what is repaired already changes nothing.
 *
 * @throws {ConfigurationError} there is no such finding, of its kind nothing can be repaired by undoing, or the service has
 * refused to undo it: that stands (P6).
 */
export async function approveFinding<Tx>(
  audited: AuditedEffect<Tx>,
  id: string,
  by: { readonly actor: string; readonly reason?: string },
): Promise<Finding> {
  const store = auditsOf(audited)
  const finding = await found(audited, id)
  if (finding.kind !== 'duplicate' && finding.kind !== 'orphan') {
    throw new ConfigurationError(
      `A finding of kind ${finding.kind} is not repaired by undoing an operation. Look into it, and dismiss it.`,
    )
  }
  const decision = { status: 'approved' as const, by: actorOf(by), note: by.reason ?? null }
  const approved = await store.decide(id, ['open', 'approved', 'dismissed'], decision)
  if (approved === null) return repairedAlready(await found(audited, id))
  const signal = new AbortController().signal
  await repair(approved, { store, audited, signal, check: () => undefined })
  return found(audited, id)
}

function repairedAlready(finding: Finding): Finding {
  if (finding.status !== 'refused') return finding
  throw new ConfigurationError(
    `The finding ${finding.id} cannot be approved: the service has refused to undo its operation, and that stands ` +
      `(${finding.note ?? 'it gave no reason'}). Nothing was done. Undo it there by hand, and dismiss the finding.`,
  )
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
  if (typeof by.reason !== 'string' || by.reason === '') throw new ConfigurationError('Say why: `reason` is empty.')
  const decision = { status: 'dismissed' as const, by: actorOf(by), note: by.reason }
  await auditsOf(audited).decide(id, ['open', 'approved', 'refused'], decision)
  const finding = await found(audited, id)
  if (finding.status !== 'repaired') return finding
  throw new ConfigurationError(
    `The finding ${id} is repaired: its operation was undone, or its entry settled by it, which no dismissal takes back. ` +
      'Nothing was done.',
  )
}

async function found<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Finding> {
  const finding = await auditsOf(audited).finding(id)
  if (finding !== null) return finding
  throw new ConfigurationError(`There is no finding ${id}. Nothing was done.`)
}

function actorOf({ actor }: { readonly actor: string }): string {
  if (typeof actor === 'string' && actor !== '') return actor
  throw new ConfigurationError('Say who decides: `actor` is empty.')
}
