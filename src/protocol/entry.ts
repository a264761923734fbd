import type { JsonValue } from './json-value.js'
import type { Reason } from './outcome.js'

/**
 * Where an effect stands.
 *
 * `pending`: known not to have been executed, waits for its turn. `executing`: a call may be under way, until
 * `leaseUntilMs`. `in_doubt`: it may have happened. `parked`: needs a person or an audit. The others are at rest.
 */
export type State =
  | 'pending'
  | 'executing'
  | 'in_doubt'
  | 'succeeded'
  | 'failed'
  | 'parked'
  | 'compensating'
  | 'compensated'

export const STATES: readonly State[] = [
  'pending',
  'executing',
  'in_doubt',
  'succeeded',
  'failed',
  'parked',
  'compensating',
  'compensated',
]

/** States that no worker changes by itself. */
export type RestingState = Exclude<State, 'pending' | 'executing' | 'in_doubt' | 'compensating'>

/** Whether no worker changes this state by itself. */
export function isAtRest(state: State): state is RestingState {
  return state === 'succeeded' || state === 'failed' || state === 'parked' || state === 'compensated'
}

/** Whether a caller can be answered: at rest, or executed and being undone by an effect of its own. */
export function hasAnswer(state: State): boolean {
  return isAtRest(state) || state === 'compensating'
}

/** What became of the user's `settled` handler: it is consequence, never outcome (P8). */
export type Settlement = 'none' | 'due' | 'done' | 'dead'

/** Milliseconds since the Unix epoch on the journal's own clock (P3). */
export type JournalTime = number

/** One row of the journal: one effect, in its current generation. */
export interface Entry {
  /** Derived from (namespace, effect, key): the same everywhere, without asking. */
  readonly id: string
  readonly namespace: string
  readonly effect: string
  readonly key: string
  readonly generation: number
  readonly reference: string
  /** Null where the entry is compact. */
  readonly input: JsonValue
  /** Whether it has aged into compact form: its input and receipt were let go, and what happened is still known. */
  readonly isCompact: boolean
  readonly fingerprint: string
  /** Effects with the same value run one at a time, in the order of their enqueueing. */
  readonly serializeKey: string | null
  /** The business operation that this effect is part of, for compensating it as a whole. */
  readonly group: string | null

  readonly state: State
  /** Grows with every claim. A write that carries an older one changes nothing (P2). */
  readonly fence: number
  readonly owner: string | null
  readonly leaseUntilMs: JournalTime | null
  /** When somebody should look at it (again); null where nobody needs to. */
  readonly dueAtMs: JournalTime | null

  /** Calls begun in this generation. */
  readonly attempts: number
  /** Look-ups in a row that could not ask. */
  readonly findFailures: number
  /**
   * The start of the first call of this generation: the key's window counts from here (P4). A call that is known not to
   * have been executed counts too: the service may have met our key with it.
   */
  readonly firstSentAtMs: JournalTime | null
  /** The latest moment at which a call may still have been under way. */
  readonly lastDeadlineAtMs: JournalTime | null
  /** Since when an earlier call may have happened; null where it is known that none did. */
  readonly inDoubtSinceMs: JournalTime | null
  /** Asking again with the same key says nothing more. */
  readonly keySpent: boolean

  readonly receipt: JsonValue | null
  readonly externalId: string | null
  /** Why it failed, is parked or in doubt. */
  readonly reason: Reason | null
  /** Who ended the doubt without proof, and why, if a person did: it stays marked for ever. */
  readonly forcedBy: string | null

  readonly settlement: Settlement
  readonly settlementAttempts: number
  readonly createdAtMs: JournalTime
  readonly updatedAtMs: JournalTime
}

/** What it takes to begin an effect: the entry before anything has happened. */
export interface Intent {
  readonly id: string
  readonly namespace: string
  readonly effect: string
  readonly key: string
  readonly generation: number
  readonly reference: string
  readonly input: JsonValue
  readonly fingerprint: string
  readonly serializeKey: string | null
  readonly group: string | null
  /** Whether the effect has a `settled` handler, which will be due once the outcome is known. */
  readonly hasSettledHandler: boolean
}
