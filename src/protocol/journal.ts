import type { Change } from './apply.js'
import type { AuditStore } from './audit.js'
import type { ClaimTerms, NotBefore } from './claim.js'
import type { CompensationStore } from './compensation.js'
import type { Entry, Intent, JournalTime, State } from './entry.js'
import type { JournalError } from './errors.js'
import type { EvidenceWrite } from './evidence.js'
import type { InboxStore } from './inbox.js'
import type { LeaseService } from './lease.js'
import type { RetentionStore } from './retention.js'

/**
 * An entry as the journal had it at `nowMs` on its own clock: a moment between the asking and the answer. Whoever adds
 * the time since *before* it asked is never behind the journal's clock; `nowMs` itself is never ahead of it.
 */
export interface Seen {
  readonly entry: Entry
  readonly nowMs: JournalTime
}

/**
 * What came of writing an intent: `created` (and claimed for its first call, unless it has a `serializeKey` and so has to
 * wait for its turn), or there was an entry already.
 */
export interface Begun extends Seen {
  readonly created: boolean
}

/** What came of writing intents and holders' changes together, each in the order of its arguments. */
export interface BegunAndWritten {
  readonly begun: readonly (Begun | JournalError)[]
  readonly written: readonly (Written | JournalError)[]
}

/** What came of enqueueing: a new entry, or how the key stands already. */
export interface Enqueued {
  readonly created: boolean
  readonly state: State
  readonly generation: number
  readonly fingerprint: string
}

/** An entry whose turn it is among those of its `serializeKey`. */
export interface Head {
  readonly id: string
  readonly namespace: string
  readonly effect: string
  readonly serializeKey: string
}

/** What came of a claim: `claimed`, or how the entry stands otherwise (held, not due, at rest). */
export interface Claimed extends Seen {
  readonly claimed: boolean
}

/** One holder's write: applied only while the entry is held by this owner under this fence. */
export interface JournalWrite {
  readonly id: string
  readonly fence: number
  readonly owner: string
  readonly change: Change
}

/** Whether the write took effect; `false`: the fence is stale, and nothing was changed (P2). */
export type Written = { readonly applied: true; readonly nowMs: JournalTime } | { readonly applied: false }

/** On what terms the due entries of one effect are taken. */
export interface EffectTerms extends ClaimTerms {
  readonly namespace: string
  readonly effect: string
}

/**
 * Which due entries come first. `begun` ones as a rule: a backlog of new effects must not keep a doubt waiting until its
 * key has expired. `fresh`, to learn whether a service is well: those that it failed before may be to blame themselves.
 */
export type DueFirst = 'begun' | 'fresh'

/** Starts a generation after one that is known not to have taken effect (P6). */
export interface Renewal {
  /** The intent of the new generation: its `generation` is one more than the entry's. */
  readonly intent: Intent
  readonly terms: ClaimTerms
}

/** How a `settled` handler ended: the journal commits its writes and `done` together, or neither. */
export type SettlementResult =
  | { readonly ran: true }
  /** Another worker has it, or it is done already. */
  | { readonly ran: false; readonly entry: Entry | null }

/** `settled` handlers that failed too often and are not run again by themselves: a person's to look at. */
export interface DeadSettlements {
  /** Entries of these effects whose handler is dead, the oldest first. */
  list(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
  ): Promise<readonly Entry[]>

  /** Makes a dead handler due at once, with its runs counted anew. False: it is not dead, and nothing was changed. */
  retry(id: string): Promise<boolean>
}

/** The place of a parked entry among the others: when it was last changed, which is when it was parked, and its id. */
export type ParkedPlace = Pick<Entry, 'updatedAtMs' | 'id'>

/** What needs a person or an audit: nothing happens to it by itself. */
export interface ParkedEntries {
  /** Parked entries of these effects, the longest parked first; behind `after`, where that is not null. */
  list(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
    after: ParkedPlace | null,
  ): Promise<readonly Entry[]>
}

/**
 * The durable record of all effects: the port through which the engine meets a database.
 *
 * All times are on the journal's own clock (P3). Each method is atomic for each of its entries; batch methods answer in
 * the order of their arguments, and one bad row never fails its neighbours: in its place stands a JournalError, and
 * nothing of it was written. A method that throws may or may not have written: the engine then reads again, and the
 * fence decides.
 *
 * `Tx` is the journal's transaction, as the user's `settled` handlers and `enqueue` calls see it.
 */
export interface Journal<Tx = unknown> {
  /**
   * Resolves once the journal can be used at once: its tables are made, or brought up to date. The engine waits for it
   * before it looks at its clock for the first time, since a call's time counts from the asking for its lease (P3). Left
   * out: it always can be.
   *
   * @throws {JournalError} it cannot be used yet; ask again.
   */
  prepare?(): Promise<void>

  /** Creates each intent's entry and claims it for its first call, or tells how the existing one stands (P1). Durable when it returns. */
  begin(
    intents: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[],
  ): Promise<readonly (Begun | JournalError)[]>

  /** Leases beside the journal, with which effects of one `serializeKey` are kept one at a time. */
  readonly lease: LeaseService

  /** What is kept of compensations, beside the entries that carry them out. */
  readonly compensations: CompensationStore<Tx>

  /** Of entries whose outcome is known: the handlers that nobody runs any more. */
  readonly deadSettlements: DeadSettlements

  /** Entries that wait for a person or an audit, among all others. */
  readonly parked: ParkedEntries

  /** Where audits are kept; null for a journal that keeps none. */
  readonly audits: AuditStore | null

  /** The messages that have been received, beside the entries that they led to. */
  readonly inbox: InboxStore<Tx>

  /** Where old entries become compact, and are purged. */
  readonly retention: RetentionStore

  /** Runs `work` in a transaction of its own: committed when it returns, undone when it throws. */
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>

  /**
   * The caller's transaction, tied to what it is at this moment: what `enqueue` writes in it comes to nothing once that
   * has ended, also where the same object is in another by then. The engine calls it before it awaits anything, since a
   * caller who forgets to await an enqueueing ends the transaction meanwhile. Left out: transactions know their own end.
   *
   * @throws {ConfigurationError} it is no transaction.
   */
  tie?(tx: Tx): Tx

  /**
   * Writes pending entries inside the caller's own transaction: they exist once that commits. With null, in one of its
   * own: they are durable when it returns. An entry that exists already stays as it is. The order of one call, and of
   * calls after one another, is the order for `serializeKey`.
   */
  enqueue(
    tx: Tx | null,
    intents: readonly { readonly intent: Intent; readonly notBefore: NotBefore | null }[],
  ): Promise<readonly Enqueued[]>

  /**
   * Takes one entry if it is claimable (protocol/claim.ts says when). A pending one with a `serializeKey` is taken only
   * if none of its key is executing or in doubt, and none that is pending was enqueued before it.
   */
  claim(id: string, terms: ClaimTerms): Promise<Claimed | null>

  /**
   * Takes up to `limit` claimable entries of these effects that have no `serializeKey`, skipping what others are taking:
   * first what has been begun (a doubt, a lost call, another try), then what has not, in each the longest due; with
   * `first: 'fresh'` the other way round.
   */
  claimDue(effects: readonly EffectTerms[], limit: number, first?: DueFirst): Promise<readonly Seen[]>

  /**
   * Entries of these effects with a `serializeKey` that could be claimed now, the longest due first. Where too many are due
   * to look at all keys, some at each look, in turn, so that each is found in some look. Nothing is taken.
   */
  heads(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
  ): Promise<readonly Head[]>

  /** Writes each change under its fence; what a stale holder wants changes nothing. */
  write(writes: readonly JournalWrite[]): Promise<readonly (Written | JournalError)[]>

  /**
   * `begin` and `write` at once, durable together when it returns: for the price of one commit. It keeps nobody waiting
   * for a key that stands in somebody's open transaction. There may be no writes. Left out: each is asked for apart.
   *
   * In their place it may answer, having written nothing: `apart` where these have to be asked for apart, and `blocked`
   * where an open transaction has one of the keys, for which `begin` waits as long as it takes.
   */
  beginAndWrite?(
    intents: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[],
    writes: readonly JournalWrite[],
  ): Promise<BegunAndWritten | 'apart' | 'blocked'>

  /** Begins the next generation if `isRenewable` (protocol/claim.ts), keeping the old one in the history; else tells how the entry stands. */
  renew(renewal: Renewal): Promise<Begun | null>

  /** How entries stand; null where there is none. */
  read(ids: readonly string[]): Promise<readonly (Seen | null)[]>

  /** Fingerprints of the generations before the current one: a late duplicate of one of them is no reuse of its key (P7). */
  earlierFingerprints(id: string): Promise<readonly string[]>

  /**
   * Like `read`, and asks for a wake-up: after it, `subscribe`'s listeners hear of these entries' next change. Engines
   * poll besides, so a lost wake-up costs time only.
   */
  await(ids: readonly string[]): Promise<readonly (Seen | null)[]>

  /** Hears of entries that may have changed or come due, where the journal can tell; returns how to stop. */
  subscribe(listener: (id: string) => void): () => void

  /** Ids of entries whose outcome is known and whose `settled` handler is due, the longest due first. */
  dueSettlements(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
  ): Promise<readonly string[]>

  /**
   * Runs `handler` in a transaction that also marks the entry's settlement done: both or neither (P8). Throws what the
   * handler throws, with nothing of it written. Where the database can hang, no statement in the transaction takes longer
   * than `longestMs`: the engine gives a handler up after that, and its transaction has to come to an end.
   */
  settle(id: string, handler: (tx: Tx, entry: Entry) => Promise<void>, longestMs?: number): Promise<SettlementResult>

  /** Notes a failed handler: due again in `retryInMs`, or `dead` when null. The outcome is untouched (P8). */
  settlementFailed(id: string, retryInMs: number | null): Promise<void>

  /**
   * Milliseconds until the next entry of these effects is due (0: now); null where none is. Never too many; a journal may
   * answer too few, which costs a look for nothing.
   */
  nextDueInMs(effects: readonly { readonly namespace: string; readonly effect: string }[]): Promise<number | null>

  /**
   * Writes what somebody learned, or a person says, who does not hold the entry; null: it had moved on, or is held, and
   * nothing was changed.
   */
  settleByEvidence(write: EvidenceWrite): Promise<Seen | null>

  /** The entries of one business operation, the last executed first. */
  readGroup(namespace: string, group: string): Promise<readonly Entry[]>

  /** Releases connections. Entries stay. */
  close(): Promise<void>
}
