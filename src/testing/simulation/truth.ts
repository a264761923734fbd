import type { Entry } from '../../protocol/index.js'

/** What a caller asks the service for. */
export interface Order {
  readonly key: string
  /** What is asked for under the key; a later generation's says which one it is for. */
  readonly variant: number
}

/** What the service is asked for: to do an order, or to undo an operation. */
export interface Request extends Order {
  /** The operation that is to be undone, which is the key then; null: nothing is undone. */
  readonly undoes: string | null
}

/** What the service gives back for what it did. */
export interface Receipt {
  readonly id: string
  readonly reference: string
  readonly variant: number
}

/** The service's id of the planted duplicate of a key. */
export function duplicateOf(key: string): string {
  return `duplicate-of-${key}`
}

/** One operation that took effect at the service. */
export interface Operation {
  readonly receipt: Receipt
  readonly key: string
  readonly reference: string
  /** What it has undone; null: it is an operation that may itself be undone. */
  readonly undoes: string | null
  /** Somebody else's doing: a duplicate that the engine never asked for. */
  readonly isPlanted: boolean
  readonly happenedAtMs: number
  /** From when look-ups show it. */
  readonly showsAtMs: number
  /** Until when the service has promised to show it: known for sure once the call has ended. */
  readonly promisedAtMs: () => number
}

/** A row that a `settled` handler wrote: the consequence in the user's own tables. */
export interface Consequence {
  readonly key: string
  readonly generation: number
  readonly kind: 'succeeded' | 'failed'
  readonly externalId: string | null
}

/** A message that was received, in the transaction of what came of it. */
export interface ReceivedMessage {
  readonly id: string
  /** What its handler returned: another thing each time that it runs. */
  readonly result: string
}

export type Rows = ReadonlyMap<string, Entry>

/** What is really so, as only the world knows it: everything is measured by this, and never by the engine's own word. */
export interface Truth {
  /** What the service did. */
  readonly operations: readonly Operation[]
  /** How the journal's rows stand. */
  readonly rows: Rows
  /** The journal's own clock. */
  readonly journalMs: number
  readonly consequences: readonly Consequence[]
  /** Keys of the orders that were committed in the transaction of their `enqueue`. */
  readonly orders: readonly string[]
  /** What handlers of messages wrote, as far as it was committed. */
  readonly received: readonly ReceivedMessage[]
}
