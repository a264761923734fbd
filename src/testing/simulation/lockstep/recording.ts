import type { Entry, Journal, LeaseGrant } from '../../../protocol/index.js'

/** The journal on which a recorded operation is done again. */
export interface Again<Tx> {
  readonly journal: Journal<Tx>
  /** The transaction with this number, which is open. */
  readonly inside: (transaction: number) => Tx
  /** The grant that this journal has given where the recorded one gave `grant`: their fences are their own. */
  readonly grant: (grant: LeaseGrant) => LeaseGrant
}

/** Asks one operation of a journal, whichever it is. */
export type Ask = <Tx>(again: Again<Tx>) => Promise<unknown>

/**
 * How two answers are compared: as they are; as the same entries in any order; in the order of their due times; as a wait
 * that PostgreSQL may give as shorter (it never is too long); or as grants of a lease.
 */
export type Kind = 'exact' | 'entries' | 'due' | 'wait' | 'grant'

interface Moment {
  /** On the journal's own clock: when it took effect. */
  readonly nowMs: number
  /** The life whose engine asked. */
  readonly who: number
  /** The rows that it has changed, as they stood after it. */
  readonly changed: readonly Entry[]
}

/** An operation and its answer. Where a statement or its answer was lost, nobody heard; here stands what it did. */
export interface Called extends Moment {
  readonly what: 'called'
  readonly operation: string
  readonly arguments: readonly unknown[]
  readonly kind: Kind
  readonly ask: Ask
  readonly answer: unknown
}

/** A transaction began, of the application or around a `settled` handler. */
export interface Opened extends Moment {
  readonly what: 'opened'
  readonly transaction: number
  /** The entry that is settled in it, as its handler was given it; null: the application's own transaction. */
  readonly settles: Entry | null
}

/** A transaction ended, by its commit or without one. */
export interface Ended extends Moment {
  readonly what: 'committed' | 'rolled_back'
  readonly transaction: number
}

export type Recorded = Called | Opened | Ended

/** Everything that one history asked of its journal and that took effect, in its order. */
export interface Recording {
  readonly seed: number
  readonly events: readonly Recorded[]
  /** Every row at the end. */
  readonly rows: readonly Entry[]
}
