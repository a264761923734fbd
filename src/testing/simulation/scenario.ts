import type { Capabilities } from '../../protocol/index.js'
import type { FaultKind } from './faults.js'

export type Doubt = Capabilities['doubt']
export const DOUBTS: readonly Doubt[] = ['key', 'find', 'key_and_find', 'park']

/** What the effect and its service promise, and what the service really does: just inside the promise. */
export interface Terms {
  readonly doubt: Doubt
  readonly timeoutMs: number
  readonly graceMs: number
  readonly retryFirstMs: number
  readonly retryLongestMs: number
  readonly maxAttempts: number
  readonly patienceMs: number
  readonly maxFindFailures: number
  readonly settledAttempts: number
  /** Promised: for how long a key is honoured, from its first send, and how much of it is kept back. */
  readonly windowMs: number
  readonly marginMs: number
  /** Real: from when the service first met the key until it has forgotten it. */
  readonly prunesAfterMs: number
  /** Promised: from the end of a call until `find` surely shows what it did. */
  readonly settlesWithinMs: number
  /** Real: the same, without what clocks may be wrong by. */
  readonly settlesMs: number
  /** Real: how long after the end of a call its request may still arrive. */
  readonly lateMs: number
  /** Whether the provider's code goes on regardless of an abort. */
  readonly ignoresAbort: boolean
  /** Whether a look-up knows of declines. */
  readonly remembersDeclines: boolean
  /** Whether all keys are of one customer, and so go one at a time. */
  readonly serialized: boolean
  /** Whether what was done can be undone at the service. */
  readonly undoable: boolean
  /** From which age on entries become compact; null: never. */
  readonly compactAfterMs: number | null
  /** How many entries the loop of one process may carry at the same time; null: as many as there are. */
  readonly concurrency: number | null
  /** How many calls one process may begin in any stretch of time; null: as many as there are. */
  readonly rate: { readonly calls: number; readonly perMs: number } | null
}

/** One process: how its clock runs, and whether it runs the loop. */
export interface WorkerPlan {
  /** Its clock's milliseconds per true millisecond. */
  readonly rate: number
  readonly wallOffsetMs: number
  /** Whether it runs the loop: in every life, in none, or from its second life on. */
  readonly loops: 'always' | 'never' | 'reborn'
  readonly bootsAtMs: number
  readonly pollMs: number
}

/** A request to the application: somebody wants the effect of `key`, now. */
export interface MessagePlan {
  readonly id: number
  readonly atMs: number
  readonly worker: number
  readonly key: string
  /** What is asked for under the key: another variant is another input. */
  readonly variant: number
  readonly waitMs: number
  /**
   * `perform`, or `enqueue` in a transaction of the application's own. `compensate` undoes the effect, and `repair` the
   * duplicate of it that an audit has found. `age` lets what is old become compact, whatever its key. `receive` enqueues it
   * in the transaction of the inbox.
   */
  readonly how: 'perform' | 'enqueue' | 'receive' | 'compensate' | 'repair' | 'age'
  /** With `receive`: what the broker calls the message. Several with one id are one message that comes several times. */
  readonly messageId: string | null
  /** With `enqueue`: so long after it, or so long after the beginning of the history; null: at once. */
  readonly notBefore: { readonly inMs: number } | { readonly atMs: number } | null
  /** With `compensate`: tells several refunds of one operation apart. */
  readonly refundKey: string | null
  /** How often it is delivered again while it is not answered for good. */
  readonly redeliveries: number
  /** After a rejection it asks for the next generation, with another input. */
  readonly persists: boolean
}

/** The database is away for a time, and its clock may be another one afterwards. */
export interface OutagePlan {
  readonly atMs: number
  readonly forMs: number
  readonly clockStepMs: number
}

/** Everything that a history is made of, apart from what follows. */
export interface Scenario {
  readonly seed: number
  readonly terms: Terms
  readonly workers: readonly WorkerPlan[]
  readonly messages: readonly MessagePlan[]
  readonly outages: readonly OutagePlan[]
  /** Keys of which the service has a duplicate that nobody here asked for. */
  readonly duplicates: readonly string[]
  readonly rates: Readonly<Partial<Record<FaultKind, number>>>
  /** Nothing goes wrong from here on. */
  readonly quietAtMs: number
  /** Faults that are left out, by id: how a failure is shrunk. */
  readonly without: ReadonlySet<string>
}
