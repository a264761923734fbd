import type { Entry, JournalTime } from './entry.js'
import { currencyCode, type Money } from './money.js'
import type { Reason } from './outcome.js'

/** What a compensation undoes: one operation at the service, known by its own id there (P10). */
export interface UndoneOperation {
  readonly namespace: string
  /** The effect whose operation it is, not the effect that undoes it. */
  readonly effect: string
  readonly externalId: string
}

/** A compensation that is to begin: the undoing of an operation, or of a part of it. */
export interface CompensationOrder extends UndoneOperation {
  /** The entry of the undoing: keyed by the external id, so that the same undoing is one. */
  readonly undoId: string
  /** The entry whose operation it is; null for an operation that no entry stands for (a duplicate, an orphan). */
  readonly entryId: string | null
  /** A part of it; null: all that is left. */
  readonly part: Money | null
  /** What the operation moved, where that is known: never more than this is undone. */
  readonly total: Money | null
  readonly reason: string
  readonly actor: string | null
  /** The audit's finding that it repairs. */
  readonly findingId: string | null
}

/** Where an undoing stands, as the journal keeps it beside its entry. */
export type CompensationState = 'running' | 'undone' | 'rejected'

/** A compensation as the journal has it. */
export interface Compensation extends UndoneOperation {
  readonly undoId: string
  readonly entryId: string | null
  /** What is undone by it; null: all that was left, of an amount that is not known. */
  readonly minorUnits: number | null
  readonly whole: boolean
  readonly state: CompensationState
  readonly findingId: string | null
}

/** How much of an operation has been undone, and how much is being undone. */
export interface UndoneSoFar {
  readonly total: Money | null
  /** In parts that are under way. */
  readonly reservedMinorUnits: number
  readonly undoneMinorUnits: number
  /** Whether all that was left is being undone, or has been. */
  readonly whole: 'none' | 'running' | 'done'
}

/** Nothing of an operation has been undone by us. */
export function nothingUndone(total: Money | null): UndoneSoFar {
  return { total, reservedMinorUnits: 0, undoneMinorUnits: 0, whole: 'none' }
}

/** What a compensation may take, or why it may not begin. */
export type Admission =
  | { readonly admitted: true; readonly minorUnits: number | null; readonly whole: boolean }
  | { readonly admitted: false; readonly reason: Reason }

/**
 * Whether an undoing may begin: never more than what remains of the operation, counting what is under way. Pure.
 *
 * All that is left is asked for as "all" while nothing else was undone, and by its amount afterwards, so that the
 * service itself would refuse what two accounts of it disagree about.
 */
export function admitCompensation(order: Pick<CompensationOrder, 'part'>, sofar: UndoneSoFar): Admission {
  if (sofar.whole !== 'none') {
    const message = sofar.whole === 'done' ? 'All of it has been undone.' : 'All of it is being undone.'
    return refused('nothing_remains', message)
  }
  const { total, reservedMinorUnits: reserved, undoneMinorUnits: undone } = sofar
  const remaining = total === null ? null : total.minorUnits - reserved - undone
  if (order.part === null) {
    if (reserved === 0 && undone === 0) return { admitted: true, minorUnits: null, whole: true }
    if (remaining === null || remaining <= 0)
      return refused('nothing_remains', 'All of it is being undone, or has been.')
    return { admitted: true, minorUnits: remaining, whole: true }
  }
  if (total === null || remaining === null) {
    return refused('amount_unknown', 'How much it moved is not known, so that no part of it can be bounded.')
  }
  if (currencyCode(order.part.currency) !== currencyCode(total.currency)) {
    return refused('other_currency', `It moved ${currencyCode(total.currency)}, not ${order.part.currency}.`)
  }
  if (order.part.minorUnits === 0) return refused('nothing_asked', 'A part of 0 undoes nothing.')
  return order.part.minorUnits > remaining
    ? refused('exceeds_remaining', `Only ${remaining} of ${total.minorUnits} ${currencyCode(total.currency)} remain.`)
    : { admitted: true, minorUnits: order.part.minorUnits, whole: false }
}

function refused(code: string, message: string): Admission {
  return { admitted: false, reason: { code, message } }
}

/** How much has been undone once this compensation is admitted. */
export function withReserved(sofar: UndoneSoFar, taken: { minorUnits: number | null; whole: boolean }): UndoneSoFar {
  return {
    ...sofar,
    reservedMinorUnits: sofar.reservedMinorUnits + (taken.minorUnits ?? 0),
    whole: taken.whole ? 'running' : sofar.whole,
  }
}

/** How much has been undone once this compensation has ended. */
export function withEnded(
  sofar: UndoneSoFar,
  ended: { readonly minorUnits: number | null; readonly whole: boolean; readonly undone: boolean },
): UndoneSoFar {
  const amount = ended.minorUnits ?? 0
  // "All" without an amount began while nothing else was undone; with one, it is what was left then, and a part that was
  // under way beside it may have been refused since: that part remains.
  const undone = ended.minorUnits ?? sofar.total?.minorUnits ?? 0
  const undoneMinorUnits = sofar.undoneMinorUnits + (ended.undone ? undone : 0)
  const nothingRemains = sofar.total === null || undoneMinorUnits >= sofar.total.minorUnits
  return {
    total: sofar.total,
    reservedMinorUnits: sofar.reservedMinorUnits - amount,
    undoneMinorUnits,
    whole: ended.whole ? (ended.undone && nothingRemains ? 'done' : 'none') : sofar.whole,
  }
}

/** Whether the operation of this entry may be undone: it happened, is known by an id at the service, and by its receipt. */
export function isCompensable(entry: Entry): entry is Entry & { readonly externalId: string } {
  return (
    (entry.state === 'succeeded' || entry.state === 'compensating') && entry.externalId !== null && !entry.isCompact
  )
}

/** The entry while an undoing of it is under way. Its `settled` handler stays due: it is told of the execution (P8). */
export function beginCompensating(entry: Entry, nowMs: JournalTime): Entry {
  return { ...entry, state: 'compensating', reason: null, updatedAtMs: nowMs }
}

/** The code of the reason that an entry keeps when it is `succeeded` again because its undoing was refused. */
export const COMPENSATION_REJECTED = 'compensation_rejected'

/**
 * Where an entry stands when one of its undoings has ended: `compensated` once all of it is undone, `compensating` while
 * another is under way, otherwise `succeeded` again.
 */
export function stateAfterUndoing(sofar: UndoneSoFar): 'succeeded' | 'compensating' | 'compensated' {
  const all = sofar.whole === 'done' || (sofar.total !== null && sofar.undoneMinorUnits >= sofar.total.minorUnits)
  if (all) return 'compensated'
  return sofar.whole === 'running' || sofar.reservedMinorUnits > 0 ? 'compensating' : 'succeeded'
}

/** The entry when one of its undoings has ended, with the reason where this one was refused and none is under way. */
export function endCompensating(entry: Entry, sofar: UndoneSoFar, refusal: Reason | null, nowMs: JournalTime): Entry {
  if (entry.state !== 'compensating') return entry
  const state = stateAfterUndoing(sofar)
  const reason = state === 'succeeded' && refusal !== null ? whyRejected(refusal) : null
  return { ...entry, state, reason, updatedAtMs: nowMs }
}

/** Why the operation `externalId` of an entry cannot be undone (null: there is no such entry); null where it can. */
export function whyNotCompensable(
  entry: Pick<Entry, 'state' | 'externalId' | 'isCompact'> | null,
  externalId: string,
): Reason | null {
  if (entry === null) return { code: 'not_found', message: 'There is no such entry in the journal.' }
  const { state } = entry
  if (state === 'compensated') return { code: 'nothing_remains', message: 'All of it has been undone.' }
  if (state !== 'succeeded' && state !== 'compensating') {
    return { code: 'not_executed', message: `It is ${state}: there is nothing that is known to have happened.` }
  }
  if (entry.externalId === null) return { code: 'no_external_id', message: 'The service gave no id to undo it by.' }
  if (entry.externalId !== externalId) {
    return { code: 'other_operation', message: `Its entry stands for ${entry.externalId}, not for ${externalId}.` }
  }
  if (!entry.isCompact) return null
  // Without its receipt, no `cancel` can be trusted to name the right thing, and nothing bounds how much is given back.
  const instead = `It can be undone at the service, by its id there: ${externalId}.`
  return { code: 'compacted', message: `The retention has let its input and receipt go. ${instead}` }
}

/** What an entry keeps of the refusal of its undoing. */
export function whyRejected(refusal: Reason): Reason {
  return {
    code: COMPENSATION_REJECTED,
    message: `It stands: undoing it was refused. ${refusal.message}`,
    detail: { code: refusal.code },
  }
}

/** What came of asking for a compensation. */
export type CompensationBegun =
  /** It is to be done: enqueue its entry in the same transaction, with this amount (null: all). */
  | { readonly begun: true; readonly minorUnits: number | null }
  /** The same undoing was asked for before: it stands, whatever became of it. */
  | { readonly begun: false; readonly earlier: Compensation }
  | { readonly begun: false; readonly earlier: null; readonly reason: Reason }

/** How an undoing ended; written in the transaction that marks its own entry settled. */
export type CompensationEnd =
  | { readonly undone: true }
  /** The service refused, for good: it stands. */
  | { readonly undone: false; readonly reason: Reason }

/**
 * What a journal keeps of compensations, beside the entries that carry them out. Everything here happens in the
 * caller's transaction: an entry is `compensating` if and only if the entry that undoes it exists.
 */
export interface CompensationStore<Tx> {
  /**
   * Notes the undoing and marks the entry `compensating`, or says why it may not begin ({@link admitCompensation}).
   * Concurrent undoings of one operation go one after the other.
   */
  begin(tx: Tx, order: CompensationOrder): Promise<CompensationBegun>

  /** Notes how an undoing ended and what its entry thus is ({@link endCompensating}); does nothing a second time. */
  end(tx: Tx, undoId: string, end: CompensationEnd): Promise<void>

  /** A compensation by the id of its undoing; null where there is none. */
  read(undoId: string): Promise<Compensation | null>

  /** How much of an operation has been undone by us; null where nothing was ever asked for. */
  undoneOf(operation: UndoneOperation): Promise<UndoneSoFar | null>
}
