import {
  acceptsEvidence,
  type Change,
  type Entry,
  type Evidence,
  evidenceChange,
  findLagOf,
  type LookUpAnswer,
  type Reason,
  type Seen,
} from '../protocol/index.js'
import { find } from './call.js'
import { tellParked } from './context.js'
import type { Core } from './core.js'
import type { RuntimeEffect } from './effect.js'
import { readInput } from './prepare.js'
import { isSettlementDue } from './settlement.js'

/**
 * Writes evidence about an entry that nobody holds, tells whoever waits for it, and runs its `settled` handler if that
 * is due now. Null: the entry had moved on or is held, and nothing was changed.
 */
export async function settleByEvidence<Tx>(core: Core<Tx>, seen: Seen, evidence: Evidence): Promise<Seen | null> {
  return writeUnheld(core, seen, evidenceChange(seen.entry, evidence))
}

/** The same for any change of an entry that is in doubt or parked; `forcedBy`: the mark of one without proof. */
export async function writeUnheld<Tx>(
  core: Core<Tx>,
  seen: Seen,
  change: Change,
  forcedBy: string | null = null,
): Promise<Seen | null> {
  const { id, fence, state } = seen.entry
  if (!acceptsEvidence(seen.entry, seen.nowMs) || (state !== 'in_doubt' && state !== 'parked')) return null
  const after = await core.context.journal.settleByEvidence({
    ...{ id, fence, state, change },
    ...(forcedBy === null ? {} : { forcedBy }),
  })
  if (after === null) return null
  if (after.entry.state === 'parked' && state !== 'parked') tellParked(core.context.hooks, after.entry)
  await announce(core, after)
  return after
}

/** Tells waiters of a state that was not written by a holder, and runs the `settled` handler if it is due. */
export async function announce<Tx>(core: Core<Tx>, after: Seen): Promise<void> {
  core.waiters.announce(after)
  if (isSettlementDue(core.context, after.entry)) await core.settle(after.entry.id, 'own')
}

/** Asks the service for an entry's reference, without any right to act on the entry; null where it cannot be asked. */
export async function lookUp<Tx>(core: Core<Tx>, effect: RuntimeEffect<Tx>, seen: Seen): Promise<LookUpAnswer | null> {
  const { clock, deadlines } = core.context
  const lag = findLagOf(effect.capabilities)
  if (lag === null) return null
  const { entry, nowMs } = seen
  const deadlineMs = clock.monotonicMs() + effect.capabilities.limits.timeoutMs
  const input = await readInput(effect, entry.input)
  const permit = core.context.guards.of(effect).begin(entry.id)
  const { result } = await find(effect, entry, input, { clock, deadlines, deadlineMs, permit })
  // `nowMs` is from before the question, so that an absence is never believed too early.
  const proven = result.kind === 'absent' && nowMs > (entry.lastDeadlineAtMs ?? nowMs) + lag.settlesWithinMs
  return { result, proven }
}

/** What a look-up settles; null where it says too little. `calledOff`: what is absent shall not happen any more. */
export function evidenceOf(
  looked: LookUpAnswer,
  entry: Entry,
  maxAttempts: number,
  calledOff: Reason,
): Evidence | null {
  const { result, proven } = looked
  switch (result.kind) {
    case 'present':
      return { kind: 'present', receipt: result.receipt, externalId: result.externalId }
    case 'rejected':
      return { kind: 'rejected', reason: result.reason }
    case 'absent':
      return proven && entry.inDoubtSinceMs !== null ? { kind: 'absent', maxAttempts, calledOff } : null
    case 'could_not_ask':
      return null
  }
}
