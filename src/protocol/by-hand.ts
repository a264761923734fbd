import { type Change, transition } from './apply.js'
import type { Entry } from './entry.js'
import { ProtocolViolation } from './errors.js'
import type { Evidence, LookUpAnswer } from './evidence.js'
import { canonicalJson } from './fingerprint.js'
import { storableText } from './json.js'
import type { JsonValue } from './json-value.js'
import type { Reason } from './outcome.js'

/** What a person who has looked at the service says of an effect that may have happened. */
export type HandAnswer =
  | { readonly happened: true; readonly receipt: JsonValue; readonly externalId: string | null }
  | { readonly happened: false }

/** Who says so, and in which words. */
export interface HandOrder {
  readonly actor: string
  readonly reason: string
  readonly answer: HandAnswer
}

/** What a person's word makes of an entry, and the mark that it keeps for ever. */
export interface ForcedResolution {
  readonly change: Change
  /** `Entry.forcedBy`: it is no proof, whoever reads it later. */
  readonly forcedBy: string
}

/** The code of the reason of an entry that a person's word has ended as failed. */
export const RESOLVED_BY_HAND = 'resolved_by_hand'

/**
 * What a person's word makes of a parked entry that may have happened: it ends the doubt, without proof, and stays marked
 * as such. It allows no call: one that a person has ended as failed is not known not to have happened, so that no new
 * generation begins after it (`isRenewable`).
 *
 * @throws {ProtocolViolation} it is not parked, or nothing of it is in doubt: what is known is no matter of anybody's word.
 */
export function forcedResolution(entry: Entry, { actor, reason, answer }: HandOrder): ForcedResolution {
  if (entry.state !== 'parked' || entry.inDoubtSinceMs === null) {
    const stands = entry.state === 'parked' ? 'known not to have happened' : entry.state
    throw new ProtocolViolation(`Entry ${entry.id} cannot be resolved by hand: it is ${stands}`)
  }
  const doubt: Entry = { ...entry, state: 'in_doubt', owner: entry.owner ?? 'by hand' }
  const change = answer.happened
    ? transition(doubt, { type: 'found', receipt: answer.receipt, externalId: answer.externalId })
    : transition(doubt, { type: 'found_rejected', reason: saidNo(entry, actor, reason) })
  return { change, forcedBy: storableText(`${actor}: ${reason}`) }
}

function saidNo({ reason: before }: Entry, actor: string, reason: string): Reason {
  const message = storableText(`${actor} says that it did not happen: ${reason}`)
  const detail = { actor: storableText(actor), reason: storableText(reason), parkedFor: before?.code ?? null }
  return { code: RESOLVED_BY_HAND, message, detail }
}

/** Whether a person's word has ended the entry in just this way: asking again for it then changes nothing. */
export function isForcedAs(entry: Entry, answer: HandAnswer): boolean {
  if (entry.forcedBy === null) return false
  if (!answer.happened) return entry.state === 'failed'
  if (entry.state !== 'succeeded' || entry.externalId !== answer.externalId) return false
  // A compact one has let its receipt go.
  return entry.isCompact || canonicalJson(entry.receipt) === canonicalJson(answer.receipt)
}

/** What the service says to a person's word: the same, which is proof and ends the doubt; or why that word does not count. */
export type ServiceSays =
  | { readonly evidence: Evidence; readonly reason: null }
  | { readonly evidence: null; readonly reason: Reason }

/**
 * A person's word beside a look-up; null where the service could not be asked, so that the word is all there is (P5).
 * Where the service answers, that is proof or will be, and no word of a person's takes its place.
 */
export function heardByFind(
  { result, proven }: LookUpAnswer,
  { actor, reason, answer }: HandOrder,
): ServiceSays | null {
  switch (result.kind) {
    case 'could_not_ask':
      return null
    case 'present':
      return answer.happened ? { evidence: result, reason: null } : contradicted('has it')
    case 'rejected':
      return answer.happened ? contradicted('has refused it for good') : { evidence: result, reason: null }
    case 'absent': {
      if (!proven) return { evidence: null, reason: MAY_STILL_APPEAR }
      if (answer.happened) return contradicted('does not have it, and nothing of it is under way')
      const message = storableText(`The service does not have it, and ${actor} called it off: ${reason}`)
      return { evidence: { kind: 'absent', maxAttempts: 0, calledOff: { code: 'called_off', message } }, reason: null }
    }
  }
}

/** The service was asked too early for its "absent" to prove anything (P4 b). */
export const MAY_STILL_APPEAR: Reason = {
  code: 'may_still_appear',
  message: 'The service does not show it yet, and still might.',
}

function contradicted(says: string): ServiceSays {
  const message = `The service says otherwise: it ${says}. Its answer is proof: \`resume\` goes by it.`
  return { evidence: null, reason: { code: 'service_says_otherwise', message } }
}
