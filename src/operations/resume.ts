import type { AuditedEffect } from '../engine/audited.js'
import {
  type Change,
  ConfigurationError,
  entryId,
  type LookUpAnswer,
  type Reason,
  reasonOfError,
  resumeByFind,
  resumeByKey,
  resumeChange,
  type Seen,
  type State,
} from '../protocol/index.js'

/** Who has an effect tried again, and why. Both are kept with the entry until its next outcome. */
export interface ResumeBy {
  readonly actor: string
  readonly reason: string
}

/** What became of a parked effect that somebody wanted tried again. */
export type Resumed =
  /** It is proven not to have happened, and waits for its turn: any process that has called `start` makes it. */
  | { readonly kind: 'resumed'; readonly state: 'pending' }
  /** It may have happened, and its key protects another call (P4 a): any process that has called `start` makes that. */
  | { readonly kind: 'resumed'; readonly state: 'in_doubt' }
  /** The service was asked, and knew: there is nothing to try again. */
  | { readonly kind: 'settled'; readonly state: 'succeeded' | 'failed' }
  /** Nothing was changed, and why; `state` is null where there is no such entry. */
  | { readonly kind: 'unchanged'; readonly state: State | null; readonly reason: Reason }

/**
 * Has a parked effect tried again, now that its cause is mended. A person's word is no proof (P4): what may have happened
 * is looked up first, and tried again only where the service says, late enough, that it does not have it; or, where it
 * cannot be asked, while the key protects the next call.
 *
 * @throws {ConfigurationError} nobody is named, or no reason given. Nothing was done.
 * @throws {JournalError} the journal could not be reached. Nothing was sent; ask again.
 */
export async function resume<Tx>(audited: AuditedEffect<Tx>, key: string, by: ResumeBy): Promise<Resumed> {
  if (by.actor.trim() === '' || by.reason.trim() === '') {
    throw new ConfigurationError('Resuming an effect needs an actor and a reason. Nothing was done.')
  }
  const id = entryId(audited.context.namespace, audited.effect.name, key)
  const seen = await read(audited, id)
  if (seen === null) return unchanged(null, 'no_such_effect', `There is no entry for ${JSON.stringify(key)}.`)
  if (seen.entry.state !== 'parked') return notParked(seen.entry.state)
  if (seen.entry.inDoubtSinceMs !== null) return resumeDoubt(audited, seen, by)
  return (await written(audited, seen, resumeChange(seen.entry, { ...by, proof: 'known' }))) ?? movedOn(audited, id)
}

async function resumeDoubt<Tx>(audited: AuditedEffect<Tx>, seen: Seen, by: ResumeBy): Promise<Resumed> {
  const answer = await audited.lookUp(seen).catch(couldNotAsk)
  if (answer === null) return resumeUnasked(audited, seen, by)
  const change = resumeByFind(seen.entry, answer, by)
  if (change !== null) return (await written(audited, seen, change)) ?? movedOn(audited, seen.entry.id)
  const { result } = answer
  if (result.kind === 'could_not_ask') return { kind: 'unchanged', state: 'parked', reason: result.reason }
  return unchanged('parked', 'may_still_appear', 'The service does not show it yet, and still might.')
}

/** Where the service cannot be asked, its key is the only proof that there can be. */
async function resumeUnasked<Tx>(audited: AuditedEffect<Tx>, seen: Seen, by: ResumeBy): Promise<Resumed> {
  const byKey = resumeByKey(seen.entry, audited.effect.capabilities, by, seen.nowMs)
  if (byKey.change === null) return { kind: 'unchanged', state: 'parked', reason: byKey.reason }
  return (await written(audited, seen, byKey.change)) ?? movedOn(audited, seen.entry.id)
}

/** The code that reads the input may throw, before anything is asked. */
function couldNotAsk(error: unknown): LookUpAnswer {
  return { result: { kind: 'could_not_ask', reason: reasonOfError(error) }, proven: false }
}

/** Null: it had moved on, and nothing was changed. */
async function written<Tx>(audited: AuditedEffect<Tx>, seen: Seen, change: Change): Promise<Resumed | null> {
  if ((await audited.write(seen, change)) === null) return null
  if (change.state === 'pending' || change.state === 'in_doubt') return { kind: 'resumed', state: change.state }
  return { kind: 'settled', state: change.state === 'succeeded' ? 'succeeded' : 'failed' }
}

async function read<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Seen | null> {
  return (await audited.context.journal.read([id]))[0] ?? null
}

/** Somebody else had it in hand at the same time: under another fence, this one's write changed nothing (P2). */
async function movedOn<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Resumed> {
  const state = (await read(audited, id))?.entry.state ?? null
  return unchanged(state, 'moved_on', 'It was changed by somebody else meanwhile.')
}

function notParked(state: State): Resumed {
  return unchanged(state, 'not_parked', `It is ${state}, and only what is parked waits for a person.`)
}

function unchanged(state: State | null, code: string, message: string): Resumed {
  return { kind: 'unchanged', state, reason: { code, message } }
}
