import type { JournalTime } from './entry.js'
import type { JsonValue } from './json-value.js'
import type { Reason } from './outcome.js'
import { uuidOfParts } from './uuid.js'

/** A message as the inbox keeps it. */
export interface InboxMessage {
  /** What makes it one message: of its namespace, consumer, source and own id ({@link inboxId}). */
  readonly id: string
  readonly namespace: string
  readonly consumer: string
  readonly source: string
  /** The message's own id, for people; it may be cut. */
  readonly messageId: string
  /** For how long it is known at least, from when it is received. */
  readonly retentionMs: number
}

/** What came of taking a message: it is ours for the first time, or it was received before, with this result. */
export type Taken =
  | { readonly first: true }
  | { readonly first: false; readonly receivedAtMs: JournalTime; readonly result: JsonValue | undefined }

/** A message that has not been received yet, and how often its handling was begun without an end that is known to be good. */
export interface Failing {
  readonly begun: number
  /** Why it last failed; null where no failure was noted: its process ended without a word. */
  readonly reason: Reason | null
}

/**
 * The messages that have been received. A message is received when the transaction commits that took it; until then
 * everybody else who takes it waits, and one that is rolled back was never received.
 */
export interface InboxStore<Tx> {
  /** Takes a message in the caller's transaction, after whoever has taken it before has come to an end. */
  take(tx: Tx, message: InboxMessage): Promise<Taken>

  /** Writes what a message that was taken in this transaction led to; undefined is what no result reads as. */
  decide(tx: Tx, id: string, result: JsonValue): Promise<void>

  /** Counts that the handling of a redelivered message begins; null: it has been received. Durable when it returns. */
  countRedelivery(message: InboxMessage): Promise<Failing | null>

  /**
   * Notes why the handling of a message failed; null: it has been received meanwhile. `redelivered: false` begins the
   * count anew: it is a first delivery, of a message that somebody has sent again, say.
   */
  noteFailure(
    message: InboxMessage,
    failure: { readonly reason: Reason; readonly redelivered: boolean },
  ): Promise<Failing | null>

  /** Forgets up to about `limit` messages whose retention is over; tells how many. 0: there was none. */
  purge(limit: number): Promise<number>
}

/**
 * The id of a message in the inbox, a UUID as {@link entryId} makes them. Each consumer receives a message for itself;
 * ids of different sources never meet.
 */
export function inboxId(namespace: string, consumer: string, source: string, messageId: string): string {
  return uuidOfParts(['message', namespace, consumer, source, messageId])
}
