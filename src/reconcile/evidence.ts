import type { AuditedEffect } from '../engine/audited.js'
import { acceptsEvidence, entryId, type Seen, type State } from '../protocol/index.js'

/** Which effect somebody has heard of, outside of any call: by a webhook event, for example. */
export interface Hint {
  /** The business key, where the event has it. */
  readonly key: string
  /** Our reference, where the event has it: a hint about another generation is none about this one. */
  readonly reference?: string | null
}

/** What a hint came to: whether the entry was settled by it, and where it stands. */
export interface Hinted {
  readonly settled: boolean
  /** Null: there is no such entry. */
  readonly state: State | null
}

/**
 * Ends a doubt sooner, because something outside of any call says that there is news of an effect (a webhook event).
 *
 * The news itself is not believed: events come twice, late and in any order, and one that says "failed" may be older than
 * the success. It only says where to look: the service is asked for the object as it is now. So it may be called any
 * number of times, with any event whose signature was verified.
 *
 * @throws {JournalError} the journal could not be reached.
 */
export async function settleByHint<Tx>(audited: AuditedEffect<Tx>, hint: Hint): Promise<Hinted> {
  const { journal, namespace } = audited.context
  const [seen] = await journal.read([entryId(namespace, audited.effect.name, hint.key)])
  if (seen === undefined || seen === null) return { settled: false, state: null }
  const { reference } = hint
  const isAbout = reference === undefined || reference === null || reference === seen.entry.reference
  if (!isAbout || !acceptsEvidence(seen.entry, seen.nowMs)) return { settled: false, state: seen.entry.state }
  const after = await settled(audited, seen)
  return { settled: after !== null, state: after?.entry.state ?? seen.entry.state }
}

/** Only what the service says of the reference now settles it; an absence is left to the resolver, which knows when it counts. */
async function settled<Tx>(audited: AuditedEffect<Tx>, seen: Seen): Promise<Seen | null> {
  const looked = await audited.lookUp(seen)
  if (looked === null) return null
  const { result } = looked
  if (result.kind === 'present') {
    return audited.settle(seen, { kind: 'present', receipt: result.receipt, externalId: result.externalId })
  }
  return result.kind === 'rejected' ? audited.settle(seen, { kind: 'rejected', reason: result.reason }) : null
}
