import { identityOf } from '../engine/context.js'
import { type Counterfoil, internalsOf } from '../engine/counterfoil.js'
import type { RuntimeEffect } from '../engine/effect.js'
import { type EffectIdentity, type Entry, type JournalTime, ProtocolViolation, type Reason } from '../protocol/index.js'
import { nameOf } from './entry.js'

/** An effect that needs a person or an audit. Times are the journal's own (P3). */
export interface ParkedEffect extends EffectIdentity {
  /** Why it was parked: docs/parked.md has the way out for each code. */
  readonly reason: Reason
  /** Calls that count, of this generation. */
  readonly attempts: number
  /** When its first call began: the window of an idempotency key counts from here. Null: none was made. */
  readonly firstSentAtMs: JournalTime | null
  /** The latest moment at which a call may have been under way: whoever looks at the service looks up to here. */
  readonly lastDeadlineAtMs: JournalTime | null
  /** Since when it may have happened; null: it is known that it did not. */
  readonly inDoubtSinceMs: JournalTime | null
  readonly parkedAtMs: JournalTime
}

export interface ParkedOptions<Tx> {
  /** An effect, or the name of one, as `onParked` tells it. Default: all effects of this Counterfoil, and their undoings. */
  readonly effect?: RuntimeEffect<Tx> | string
  /** How many at most. Default 100. */
  readonly limit?: number
  /** Goes on behind this one: the last of the page before, `page.at(-1)`. */
  readonly after?: Pick<ParkedEffect, 'id' | 'parkedAtMs'> | undefined
}

/** Lists parked effects, the longest parked first. */
export async function listParked<Tx>(
  counterfoil: Counterfoil<Tx>,
  { effect, limit = 100, after }: ParkedOptions<Tx>,
): Promise<readonly ParkedEffect[]> {
  const { journal, namespace, effects } = internalsOf(counterfoil).core.context
  const names = (effect === undefined ? [...effects.keys()] : [nameOf(effect)]).map((name) => ({
    namespace,
    effect: name,
  }))
  const place = after === undefined ? null : { id: after.id, updatedAtMs: after.parkedAtMs }
  return (await journal.parked.list(names, limit, place)).map(parkedEffect)
}

function parkedEffect(entry: Entry): ParkedEffect {
  const { reason, attempts, firstSentAtMs, lastDeadlineAtMs, inDoubtSinceMs, updatedAtMs: parkedAtMs } = entry
  if (reason === null) throw new ProtocolViolation(`Entry ${entry.id} is parked without a reason.`)
  return { ...identityOf(entry), reason, attempts, firstSentAtMs, lastDeadlineAtMs, inDoubtSinceMs, parkedAtMs }
}
