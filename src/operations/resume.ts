import type { AuditedEffect } from '../engine/audited.js'
import {
  type Change,
  entryId,
  MAY_STILL_APPEAR,
  resumeByFind,
  resumeByKey,
  resumeChange,
  type Seen,
} from '../protocol/index.js'
import { type ByPerson, checkBy, lookUp, movedOn, noSuchEffect, notParked, read, type Unchanged } from './by-person.js'

/** Who has an effect tried again, and why. Both are kept with the entry until its next outcome. */
export type ResumeBy = ByPerson

/** What became of a parked effect that somebody wanted tried again. */
export type Resumed =
  /** It is proven not to have happened, and waits for its turn: any process that has called `start` makes it. */
  | { readonly kind: 'resumed'; readonly state: 'pending' }
  /** It may have happened, and its key protects another call (P4 a): any process that has called `start` makes that. */
  | { readonly kind: 'resumed'; readonly state: 'in_doubt' }
  /** The service was asked, and knew: there is nothing to try again. */
  | { readonly kind: 'settled'; readonly state: 'succeeded' | 'failed' }
  | Unchanged

/**
 * Has a parked effect tried again, now that its cause is mended. A person's word is no proof (P4): what may have happened
 * is looked up first, and tried again only where the service says, late enough, that it does not have it; or, where it
 * cannot be asked, while the key protects the next call.
 *
 * @throws {ConfigurationError} nobody is named, or no reason given. Nothing was done.
 * @throws {JournalError} the journal could not be reached. Nothing was sent; ask again.
 */
export async function resume<Tx>(audited: AuditedEffect<Tx>, key: string, by: ResumeBy): Promise<Resumed> {
  checkBy(by, 'Resuming')
  const id = entryId(audited.context.namespace, audited.effect.name, key)
  const seen = await read(audited, id)
  if (seen === null) return noSuchEffect(key)
  if (seen.entry.state !== 'parked') return notParked(seen.entry.state)
  if (seen.entry.inDoubtSinceMs !== null) return resumeDoubt(audited, seen, by)
  return (await written(audited, seen, resumeChange(seen.entry, { ...by, proof: 'known' }))) ?? movedOn(audited, id)
}

async function resumeDoubt<Tx>(audited: AuditedEffect<Tx>, seen: Seen, by: ResumeBy): Promise<Resumed> {
  const answer = await lookUp(audited, seen)
  if (answer === null) return resumeUnasked(audited, seen, by)
  const change = resumeByFind(seen.entry, answer, by)
  if (change !== null) return (await written(audited, seen, change)) ?? movedOn(audited, seen.entry.id)
  const { result } = answer
  const reason = result.kind === 'could_not_ask' ? result.reason : MAY_STILL_APPEAR
  return { kind: 'unchanged', state: 'parked', reason }
}

/** Where the service cannot be asked, its key is the only proof that there can be. */
async function resumeUnasked<Tx>(audited: AuditedEffect<Tx>, seen: Seen, by: ResumeBy): Promise<Resumed> {
  const byKey = resumeByKey(seen.entry, audited.effect.capabilities, by, seen.nowMs)
  if (byKey.change === null) return { kind: 'unchanged', state: 'parked', reason: byKey.reason }
  return (await written(audited, seen, byKey.change)) ?? movedOn(audited, seen.entry.id)
}

/** Null: it had moved on, and nothing was changed. */
async function written<Tx>(audited: AuditedEffect<Tx>, seen: Seen, change: Change): Promise<Resumed | null> {
  if ((await audited.write(seen, change)) === null) return null
  if (change.state === 'pending' || change.state === 'in_doubt') return { kind: 'resumed', state: change.state }
  return { kind: 'settled', state: change.state === 'succeeded' ? 'succeeded' : 'failed' }
}
