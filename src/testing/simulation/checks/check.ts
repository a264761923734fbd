import type { Call, JournalWrite, Written } from '../../../protocol/index.js'
import type { MessagePlan, Terms } from '../scenario.js'
import type { Operation, Rows, Truth } from '../truth.js'

/** What a history can break. */
export type Invariant =
  | 'I1 one operation per key'
  | 'I2 everything comes to rest'
  | 'I3 succeeded means done'
  | 'I4 failed means not done'
  | 'I5 settled exactly once'
  | 'I6 no stale write'
  | 'I7 one at a time, in order'
  | 'I8 undone exactly once'
  | 'I9 only the old is compact'
  | 'I10 together or not at all'
  | 'I11 received once'
  | 'P1 intent first'
  | 'P2 one holder'
  | 'P3 inside the lease'
  | 'P4 no repeat without proof'
  | 'P6 what rests stays'
  | 'P7 same key, same input'
  | 'T1 callers hear the truth'
  | 'T2 one receipt for all'
  | 'T3 no other error'
  | 'L1 nobody spins'
  | 'L2 all in its time'
  | 'L3 within its limits'
  | 'T4 the world keeps its promises'

/** A life of a worker, as the rules know it. */
export interface Caller {
  readonly name: string
  /** What its engine calls itself in claims. */
  readonly token: string
  /** Its clock's milliseconds per true millisecond. */
  readonly rate: number
}

/** How a caller was answered. */
export interface Heard {
  readonly message: MessagePlan
  readonly generation: number | null
  /** The variant that was asked for. */
  readonly input: number
  readonly kind:
    | 'receipt'
    | 'rejected'
    | 'in_doubt'
    | 'reuse'
    | 'journal'
    | 'not_open'
    | 'enqueued'
    | 'received'
    | 'undone'
    | 'refused'
    | 'compensated'
    | 'compacted'
    | 'aged'
    | 'other'
  /** The receipt, or the error. */
  readonly value: unknown
}

/**
 * One rule, watched from outside: it sees the world's truth, never the engine's own word. All members are optional; a
 * rule about something new (order under `serializeBy`, repairs) is one more of these.
 */
export interface Check {
  /** A worker is about to send a call. */
  sends?(caller: Caller, call: Call): void
  /** A worker is about to look something up at the service. */
  looksUp?(caller: Caller, call: Call): void
  /** A call or a look-up of a worker is over for it. */
  ended?(caller: Caller, call: Pick<Call, 'reference' | 'attempt'>): void
  /** A loop asks the journal for so many entries of these effects that are due, all of which it would carry. */
  takes?(caller: Caller, effects: readonly string[], most: number): void
  /** A worker has heard the service's answer to a call. `final`: it was refused for good. */
  answered?(
    caller: Caller,
    call: Pick<Call, 'reference' | 'attempt'>,
    final: 'this call' | 'the reference' | null,
  ): void
  /** An operation took effect at the service. */
  happened?(operation: Operation): void
  /** Writes were carried out. */
  wrote?(writes: readonly JournalWrite[], written: readonly Written[], before: Rows, after: Rows): void
  /** These entries were claimed. */
  claimed?(ids: readonly string[], before: Rows): void
  /** Rows may have changed. */
  changed?(before: Rows, after: Rows): void
  /** An order was committed with a new entry, which is due in this time, by the journal's clock, and not before. */
  enqueued?(key: string, due: { readonly earliestMs: number; readonly latestMs: number }): void
  /** A caller was answered. */
  heard?(heard: Heard): void
  /** The engine reported an error that no fault explains. */
  erred?(caller: Caller, error: unknown): void
  /** Nothing is on its way any more, and nothing waits. */
  rests?(): void
  /** What it remembers that the rows, the service and the answers do not show, in one text. */
  remembers?(): string
}

/** What a rule sees, and where it reports. */
export interface Watched extends Truth {
  /** The true time. */
  readonly nowMs: number
  readonly terms: Terms
  /** Keys for which nothing but `enqueue` is ever asked: what is called for them, loops call. */
  readonly enqueuedOnly: ReadonlySet<string>
  violate(invariant: Invariant, what: string): void
}

/** Makes a rule for one world. */
export type CheckOf = (world: Watched) => Check
