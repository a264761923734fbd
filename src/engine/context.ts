import type { EffectIdentity, Entry, Journal, LeaseService, Reason, Seen } from '../protocol/index.js'
import type { Retention } from '../retention/index.js'
import type { Clock, Deadlines, Randomness } from '../system/index.js'
import type { RuntimeEffect } from './effect.js'
import type { Guards } from './guards/index.js'

/**
 * What an application may listen to. Hooks are told after the fact, and what they throw changes nothing. They are told
 * at most once, by the process that wrote it down, and not at all if that one ends before: the journal is the truth.
 */
export interface Hooks {
  /** An outcome is not known; the resolver goes on. */
  readonly onInDoubt?: (entry: EffectIdentity, reason: Reason | null) => void
  /** A person or an audit has to settle it: wake somebody. */
  readonly onParked?: (entry: EffectIdentity, reason: Reason | null) => void
  /** A `settled` handler threw, or did not end in time. `dead`: it is not tried again before `retrySettlement` says so. */
  readonly onSettledFailed?: (entry: EffectIdentity, error: unknown, dead: boolean) => void
  /** Something outside one effect failed and is tried again, for example the journal's connection. */
  readonly onError?: (error: unknown) => void
}

/** What every part of the engine works with: the ports, and the effects that this process knows. */
export interface Context<Tx> {
  readonly journal: Journal<Tx>
  /** Keeps effects of one `serializeKey` one at a time. */
  readonly lease: LeaseService
  readonly effects: ReadonlyMap<string, RuntimeEffect<Tx>>
  readonly namespace: string
  /** Names this engine among all processes; part of every claim. */
  readonly owner: string
  readonly clock: Clock
  /** Of callers, and of calls to services. */
  readonly deadlines: Deadlines
  readonly randomness: Randomness
  readonly hooks: Hooks
  /** The longest that a `settled` handler may run. */
  readonly settledTimeoutMs: number
  /** What holds calls to a service back: its rate limit, the pause it asked for, its outage. */
  readonly guards: Guards
  /** What ages here; null: everything is kept for ever. */
  readonly retention: Retention | null
}

/** An entry whose lease is ours. */
export interface Held extends Seen {
  /** Our monotonic clock just before we asked for the lease: everything we do under it counts from here (P3). */
  readonly askedAtMs: number
  /** The loop carries it, which keeps to the rate limits of services; `perform` waits for nobody. */
  readonly keepsLimits?: true
}

/** Tells a hook; a hook that throws is the application's bug and never ours to fail of. */
export function tell(hook: (() => void) | undefined, onError?: (error: unknown) => void): void {
  try {
    hook?.()
  } catch (error) {
    try {
      onError?.(error)
    } catch {
      // Even the error hook throws: there is nobody left to tell.
    }
  }
}

/** Tells that an entry has come to be parked. */
export function tellParked({ onParked, onError }: Hooks, entry: Entry): void {
  tell(() => onParked?.(identityOf(entry), entry.reason), onError)
}

/** Tells of a state that its holder has written and that somebody may want to hear of. */
export function tellState(hooks: Hooks, entry: Entry): void {
  if (entry.state === 'in_doubt') tell(() => hooks.onInDoubt?.(identityOf(entry), entry.reason), hooks.onError)
  if (entry.state === 'parked') tellParked(hooks, entry)
}

/** The parts of an entry that errors and hooks speak of. */
export function identityOf(entry: EffectIdentity): EffectIdentity {
  const { id, effect, key, generation, reference } = entry
  return { id, effect, key, generation, reference }
}
