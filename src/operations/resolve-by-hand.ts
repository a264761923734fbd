import type { AuditedEffect } from '../engine/audited.js'
import { externalIdOf, type RuntimeEffect } from '../engine/effect.js'
import { describeIssues } from '../engine/prepare.js'
import {
  ConfigurationError,
  type Entry,
  entryId,
  forcedResolution,
  type HandAnswer,
  type HandOrder,
  heardByFind,
  isForcedAs,
  type JsonValue,
  type Seen,
  storableText,
  toJson,
} from '../protocol/index.js'
import {
  type ByPerson,
  checkBy,
  lookUp,
  movedOn,
  noSuchEffect,
  notParked,
  read,
  type Unchanged,
  unchanged,
} from './by-person.js'

/** What a person saw at the service. */
export type SeenByHand =
  | {
      readonly happened: true
      /** What `execute` would have returned: every later caller is given it, and an undoing goes by it. */
      readonly receipt: unknown
      /** The service's own id of it; null: it has none. Default: the receipt's, as of any receipt. */
      readonly externalId?: string | null
    }
  | { readonly happened: false }

/** What became of a doubt that a person wanted ended. */
export type ResolvedByHand =
  /** It ended by the person's word, and is marked so for ever; also where the same was said before. */
  | { readonly kind: 'forced'; readonly state: 'succeeded' | 'failed'; readonly forcedBy: string }
  /** The service could be asked, and says the same: that is proof, and nothing was forced. */
  | { readonly kind: 'settled'; readonly state: 'succeeded' | 'failed' }
  | Unchanged

/**
 * Ends a parked doubt by the word of a person who has looked at the service (a forced resolution): it is no proof, and
 * stays marked as such. Where the service can be asked it is asked first, and its answer goes before.
 *
 * @throws {ConfigurationError} nobody is named, no reason given, or the receipt or its id make no sense. Nothing was done.
 * @throws {InvalidInputError} the receipt is no JSON. Nothing was done.
 * @throws {JournalError} the journal could not be reached. Ask again: the same said twice is said once.
 */
export async function resolveByHand<Tx>(
  audited: AuditedEffect<Tx>,
  key: string,
  what: SeenByHand,
  by: ByPerson,
): Promise<ResolvedByHand> {
  checkBy(by, 'Resolving')
  const order = { actor: by.actor, reason: by.reason, answer: await checked(audited.effect, what) }
  const seen = await read(audited, entryId(audited.context.namespace, audited.effect.name, key))
  if (seen === null) return noSuchEffect(key)
  const { entry } = seen
  if (isForcedAs(entry, order.answer)) return forced(entry)
  if (entry.state !== 'parked') return notParked(entry.state)
  if (entry.inDoubtSinceMs === null) return unchanged('parked', 'not_in_doubt', KNOWN)
  return end(audited, seen, order)
}

const KNOWN = 'It is known not to have happened: `resume` has it tried again, and `compensate` calls it off.'

async function end<Tx>(audited: AuditedEffect<Tx>, seen: Seen, order: HandOrder): Promise<ResolvedByHand> {
  const looked = await lookUp(audited, seen)
  const says = looked === null ? null : heardByFind(looked, order)
  if (says === null) {
    const after = await audited.force(seen, forcedResolution(seen.entry, order))
    return after === null ? overtaken(audited, seen.entry.id, order.answer) : forced(after.entry)
  }
  if (says.evidence === null) return { kind: 'unchanged', state: 'parked', reason: says.reason }
  const after = await audited.settle(seen, says.evidence)
  if (after === null) return movedOn(audited, seen.entry.id)
  return { kind: 'settled', state: after.entry.state === 'succeeded' ? 'succeeded' : 'failed' }
}

/** Another was quicker, perhaps with the same word. */
async function overtaken<Tx>(audited: AuditedEffect<Tx>, id: string, answer: HandAnswer): Promise<ResolvedByHand> {
  const seen = await read(audited, id)
  return seen !== null && isForcedAs(seen.entry, answer) ? forced(seen.entry) : movedOn(audited, id)
}

function forced({ state, forcedBy }: Entry): ResolvedByHand {
  return { kind: 'forced', state: state === 'succeeded' ? 'succeeded' : 'failed', forcedBy: forcedBy ?? '' }
}

async function checked<Tx>(effect: RuntimeEffect<Tx>, what: SeenByHand): Promise<HandAnswer> {
  // Nothing that a caller forgot to say becomes a "no".
  if (typeof what.happened !== 'boolean') {
    throw new ConfigurationError('Say whether it happened: `happened` is neither true nor false. Nothing was done.')
  }
  if (!what.happened) return { happened: false }
  // Strictly, where a receipt of the service's would be kept as well as can be: whoever gives it can mend it.
  const receipt = toJson(what.receipt, 'receipt')
  await checkReceipt(effect, receipt)
  const externalId = what.externalId === undefined ? externalIdOf(effect.provider, receipt) : what.externalId
  if (externalId !== null && (externalId === '' || storableText(externalId) !== externalId)) {
    throw new ConfigurationError('The external id is empty, or no text that can be stored. Nothing was done.')
  }
  return { happened: true, receipt, externalId }
}

/** Later callers are given it as the service's: one that they could not read would be an error for each of them. */
async function checkReceipt<Tx>({ receipt: schema }: RuntimeEffect<Tx>, receipt: JsonValue): Promise<void> {
  const result = await schema?.['~standard'].validate(receipt)
  if (result?.issues === undefined) return
  throw new ConfigurationError(`The receipt ${describeIssues(result.issues)}. Nothing was done.`)
}
