import {
  CompensationRefused,
  CounterfoilError,
  type Duration,
  type EffectIdentity,
  EffectInDoubt,
  type Entry,
  type Reason,
} from '../protocol/index.js'
import type { Compensated, CompensateOptions, Compensator } from './compensate.js'
import { type Context, identityOf } from './context.js'

/** How a business operation is to be undone. */
export interface CompensateGroupOptions {
  /** Why: it is kept with each undoing. */
  readonly reason: string
  readonly actor?: string
  /** How long to wait for each effect of the group. Default 60 s. */
  readonly wait?: Duration
  /** Stops the waiting: what has not been begun by then is told as not undone. */
  readonly signal?: AbortSignal
}

/** What became of undoing a business operation: every effect of it stands in exactly one of the three. */
export interface GroupCompensated {
  /** In the order in which it was done: the last executed first. */
  readonly undone: readonly { readonly effect: EffectIdentity; readonly compensated: Compensated }[]
  /** It stands, or may stand: look at each. */
  readonly notUndone: readonly { readonly effect: EffectIdentity; readonly reason: Reason }[]
  /** There was nothing to undo: it had not happened, and will not. */
  readonly notHappened: readonly { readonly effect: EffectIdentity; readonly reason: Reason }[]
}

/** Undoes the effects of a group, the last executed first, and goes on where one cannot be undone. */
export async function compensateGroup<Tx>(
  context: Context<Tx>,
  compensator: Compensator<Tx>,
  group: string,
  options: CompensateGroupOptions,
): Promise<GroupCompensated> {
  const undone: { effect: EffectIdentity; compensated: Compensated }[] = []
  const notUndone: { effect: EffectIdentity; reason: Reason }[] = []
  const notHappened: { effect: EffectIdentity; reason: Reason }[] = []
  for (const entry of await context.journal.readGroup(context.namespace, group)) {
    const effect = identityOf(entry)
    const result = await undoOne(context, compensator, entry, options)
    if ('undoId' in result) undone.push({ effect, compensated: result })
    else if (result.code === 'did_not_happen') notHappened.push({ effect, reason: result })
    else notUndone.push({ effect, reason: result })
  }
  return { undone, notUndone, notHappened }
}

async function undoOne<Tx>(
  { effects }: Context<Tx>,
  compensator: Compensator<Tx>,
  entry: Entry,
  options: CompensateOptions,
): Promise<Compensated | Reason> {
  if (options.signal?.aborted === true) {
    return { code: 'stopped', message: 'The caller stopped waiting before it was begun.' }
  }
  const effect = effects.get(entry.effect)
  if (effect === undefined) {
    return { code: 'unknown_effect', message: 'This process does not know the effect: it is not among its `effects`.' }
  }
  try {
    return await compensator.compensate(effect, entry.key, options)
  } catch (error) {
    return reasonOf(error)
  }
}

/** @throws what is no word about this one effect: a lost journal ends the whole. */
function reasonOf(error: unknown): Reason {
  if (error instanceof CompensationRefused) return error.reason
  if (error instanceof EffectInDoubt) return { code: error.code, message: error.message }
  if (error instanceof CounterfoilError && error.code === 'key_reuse')
    return { code: error.code, message: error.message }
  throw error
}
