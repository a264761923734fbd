import { identityOf } from '../engine/context.js'
import { type Counterfoil, internalsOf } from '../engine/counterfoil.js'
import type { RuntimeEffect } from '../engine/effect.js'
import {
  type EffectIdentity,
  type Entry,
  entryId,
  isId,
  type JournalTime,
  type JsonValue,
  type Reason,
  type Settlement,
  type State,
} from '../protocol/index.js'

/**
 * Which effect is meant: by its id, which errors, hooks and `enqueue` tell (their `identity` will do), or by its effect, or
 * the name of that, and its business key.
 */
export type EffectAddress<Tx> =
  | { readonly id: string }
  | { readonly effect: RuntimeEffect<Tx> | string; readonly key: string }

/** How an effect stands in the journal, in its current generation. Times are the journal's own (P3). */
export interface EffectEntry extends EffectIdentity {
  readonly state: State
  /** Why it failed, is parked, in doubt or tried again; null where there is nothing to tell. */
  readonly reason: Reason | null
  /** What the service returned, as JSON, where it is executed and its entry is not compact; else null. */
  readonly receipt: JsonValue
  /** The service's own id of what happened; null where it has not, or the service gives none. */
  readonly externalId: string | null
  /** Who ended it without proof, and in which words (`resolveByHand`); null where it is known how it ended. */
  readonly forcedBy: string | null
  /** Whether the retention has let its receipt go. */
  readonly isCompact: boolean
  /** What became of the `settled` handler; `none`: there is none to run. */
  readonly settlement: Settlement
  /** Calls that count, of this generation. */
  readonly attempts: number
  /** When this generation was begun or enqueued. */
  readonly createdAtMs: JournalTime
  /** When its first call began: the window of an idempotency key counts from here. Null: none was made. */
  readonly firstSentAtMs: JournalTime | null
  /** The latest moment at which a call may have been under way, or may be. Null: none was made. */
  readonly lastDeadlineAtMs: JournalTime | null
  /** Since when it may have happened; null where that is not in doubt. */
  readonly inDoubtSinceMs: JournalTime | null
  /** When somebody looks at it (again), at a call under way if nothing is heard of it by then; null where nobody has to. */
  readonly dueAtMs: JournalTime | null
  /** When it came to stand as it does. */
  readonly updatedAtMs: JournalTime
}

/** Reads how one effect of this Counterfoil's namespace stands; null where there is none. */
export async function readEntry<Tx>(
  counterfoil: Counterfoil<Tx>,
  address: EffectAddress<Tx>,
): Promise<EffectEntry | null> {
  const { journal, namespace } = internalsOf(counterfoil).core.context
  const id = 'id' in address ? address.id : entryId(namespace, nameOf(address.effect), address.key)
  if (!isId(id)) return null
  const [seen] = await journal.read([id])
  return seen?.entry.namespace === namespace ? effectEntry(seen.entry) : null
}

/** The name of an effect that is given as such or by its name. */
export function nameOf<Tx>(effect: RuntimeEffect<Tx> | string): string {
  return typeof effect === 'string' ? effect : effect.name
}

function effectEntry(entry: Entry): EffectEntry {
  const { state, reason, receipt, externalId, forcedBy, isCompact, settlement, attempts } = entry
  const { createdAtMs, firstSentAtMs, lastDeadlineAtMs, inDoubtSinceMs, dueAtMs, updatedAtMs } = entry
  return {
    ...identityOf(entry),
    ...{ state, reason, receipt, externalId, forcedBy, isCompact, settlement, attempts },
    ...{ createdAtMs, firstSentAtMs, lastDeadlineAtMs, inDoubtSinceMs, dueAtMs, updatedAtMs },
  }
}
