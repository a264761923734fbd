import {
  type Compensation,
  type CompensationOrder,
  CompensationRefused,
  ConfigurationError,
  callOffChange,
  currencyCode,
  type Duration,
  EffectCompacted,
  EffectInDoubt,
  EffectRejected,
  type Entry,
  entryId,
  isClaimable,
  type JsonValue,
  KeyReuseError,
  type Money,
  moneyProblem,
  type Reason,
  reference,
  type Seen,
  toMs,
  transition,
} from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { identityOf } from './context.js'
import type { Core } from './core.js'
import { ENTRY_GONE } from './drive.js'
import type { RuntimeEffect } from './effect.js'
import { announce, evidenceOf, lookUp, settleByEvidence } from './evidence.js'
import { prepare, readInput } from './prepare.js'
import { type UndoInput, undoKeyOf, undoNameOf } from './undo-effect.js'

/** How an executed effect is to be undone. */
export interface CompensateOptions {
  /** Why: it is kept with the undoing, and told to the service where that takes a reason. */
  readonly reason: string
  /** A part of it; then `refundKey` is needed. Default: all that is left. */
  readonly amount?: Money
  /**
   * What makes this refund the same as an earlier request for it, among several of one operation (the id of a return, a
   * ticket). Default: the one undoing of all of it. A refund that the service rejected stands rejected; to try again,
   * name another.
   */
  readonly refundKey?: string
  /** Who asked for it. */
  readonly actor?: string
  /** How long to wait for the outcome before `EffectInDoubt` is thrown; the undoing goes on regardless. Default 60 s. */
  readonly wait?: Duration
  /** Stops the waiting, not the undoing. */
  readonly signal?: AbortSignal
}

/** What was undone. */
export interface Compensated {
  /** The id of the entry of the undoing. */
  readonly undoId: string
  /** What went to the service as idempotency key of the undoing. */
  readonly reference: string
  /** The operation that was undone. */
  readonly externalId: string
  /** How much was asked back, in the smallest unit of the currency; null: all of it. */
  readonly minorUnits: number | null
  /** What the service returned for the undoing; null once the retention has let that go. */
  readonly receipt: unknown
}

/** An operation at the service that is to be undone, whether an entry stands for it or not. */
export interface Undoing {
  readonly externalId: string
  readonly entryId: string | null
  readonly receipt: JsonValue
  readonly total: Money | null
  readonly part: Money | null
  readonly refundKey: string | null
  readonly reason: string
  readonly actor: string | null
  readonly findingId: string | null
}

/** How the compensator has an undoing carried out that was noted, and waits for it: as `perform` does, but it creates none. */
export type JoinUndo<Tx> = (
  effect: RuntimeEffect<Tx>,
  input: UndoInput,
  wait: { readonly waitMs: number; readonly signal: AbortSignal | undefined },
) => Promise<unknown>

const LOOK_AGAIN = { retryFirstMs: 100, retryLongestMs: 5_000 }

/** Undoes executed operations, each as an effect of its own, keyed by the external id (P10). */
export class Compensator<Tx> {
  readonly #core: Core<Tx>
  readonly #join: JoinUndo<Tx>

  constructor(core: Core<Tx>, join: JoinUndo<Tx>) {
    this.#core = core
    this.#join = join
  }

  async compensate(effect: RuntimeEffect<Tx>, key: string, options: CompensateOptions): Promise<Compensated> {
    checkOptions(options)
    const waitMs = toMs(options.wait ?? '60s', 'wait')
    const untilMs = this.#core.context.clock.monotonicMs() + waitMs
    const entry = await this.#untilKnown(effect, key, untilMs, options)
    if (entry.externalId === null) throw refusal(effect, key, 'no_external_id', 'The service gave no id to undo it by.')
    const undoing: Undoing = {
      externalId: entry.externalId,
      entryId: entry.id,
      receipt: entry.receipt,
      total: entry.isCompact ? await this.#totalOnAccount(entry, entry.externalId) : await amountOf(effect, entry),
      part: options.amount ?? null,
      refundKey: options.refundKey ?? null,
      reason: options.reason,
      actor: options.actor ?? null,
      findingId: null,
    }
    const leftMs = Math.max(0, untilMs - this.#core.context.clock.monotonicMs())
    return this.undo(effect, key, undoing, { waitMs: leftMs, signal: options.signal })
  }

  /**
   * Undoes an operation: notes the undoing and its entry together, durably, before anything is sent (P1), and carries it
   * out. Asking again for the same joins what stands.
   */
  async undo(
    effect: RuntimeEffect<Tx>,
    key: string,
    undoing: Undoing,
    wait: { readonly waitMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<Compensated> {
    const undoEffect = this.#core.context.effects.get(undoNameOf(effect.name))
    if (undoEffect === undefined) throw refusal(effect, key, 'no_cancel', 'Its provider has no `cancel`.')
    const { input, intent } = await this.#begin(effect, undoEffect, key, undoing)
    const { externalId, minorUnits } = input
    const about = { undoId: intent.id, reference: intent.reference, externalId, minorUnits }
    try {
      return { ...about, receipt: await this.#join(undoEffect, input, wait) }
    } catch (error) {
      if (error instanceof EffectCompacted) return { ...about, receipt: null }
      const reason = error instanceof EffectRejected ? error.reason : await this.#afterItsEntry(intent.id, error)
      if (reason === null) return { ...about, receipt: null }
      throw new CompensationRefused({ effect: effect.name, key }, reason, { cause: error })
    }
  }

  /**
   * What became of an undoing whose entry is gone, by the note beside it, which outlives it: null where it was undone.
   * It is never begun anew for want of its entry: that would give back twice.
   *
   * @throws `error` where it is another error, or nobody knows.
   */
  async #afterItsEntry(undoId: string, error: unknown): Promise<Reason | null> {
    if (!(error instanceof EffectInDoubt) || error.reason?.code !== ENTRY_GONE) throw error
    const noted = await this.#core.context.journal.compensations.read(undoId)
    if (noted?.state === 'undone') return null
    if (noted?.state === 'rejected') return { code: 'rejected', message: 'The service refused it, long ago.' }
    throw error
  }

  /** What a compact entry moved, which it does not know any more: as it was when something of it was first undone. */
  async #totalOnAccount({ namespace, effect }: Entry, externalId: string): Promise<Money | null> {
    const { compensations } = this.#core.context.journal
    return (await compensations.undoneOf({ namespace, effect, externalId }))?.total ?? null
  }

  async #begin(effect: RuntimeEffect<Tx>, undoEffect: RuntimeEffect<Tx>, key: string, undoing: Undoing) {
    const { journal, namespace } = this.#core.context
    const { part, total, ...about } = undoing
    const { externalId, entryId: ofEntry, refundKey, reason, actor, findingId } = undoing
    const undoId = entryId(namespace, undoEffect.name, undoKeyOf(externalId, refundKey))
    const order: CompensationOrder = {
      ...{ undoId, namespace, effect: effect.name, externalId, entryId: ofEntry },
      ...{ part, total, reason, actor, findingId },
    }
    const currency = part?.currency ?? total?.currency ?? null
    const inputOf = (minorUnits: number | null): UndoInput => ({
      ...{ externalId, refundKey: about.refundKey, receipt: about.receipt, minorUnits },
      ...{ currency: minorUnits === null || currency === null ? null : currencyCode(currency) },
      ...{ reason, actor, findingId },
    })
    return journal.transaction(async (tx) => {
      const begun = await journal.compensations.begin(tx, order)
      if (!begun.begun && begun.earlier === null) {
        throw refusal(effect, key, begun.reason.code, begun.reason.message)
      }
      const minorUnits = begun.begun ? begun.minorUnits : begun.earlier.minorUnits
      if (!begun.begun) checkSame(begun.earlier, order, key, undoing)
      const { intent } = await prepare(undoEffect, namespace, inputOf(minorUnits), 1)
      if (begun.begun) await journal.enqueue(tx, [{ intent, notBefore: null }])
      return { input: inputOf(minorUnits), intent }
    })
  }

  /** The entry once it is known to have happened. What is in doubt is looked up, and never executed in order to be undone. */
  async #untilKnown(
    effect: RuntimeEffect<Tx>,
    key: string,
    untilMs: number,
    options: CompensateOptions,
  ): Promise<Entry> {
    const { journal, clock, namespace } = this.#core.context
    const id = entryId(namespace, effect.name, key)
    for (let tries = 1; ; tries++) {
      const [seen] = await journal.read([id])
      if (seen === undefined || seen === null) {
        throw refusal(effect, key, 'not_found', 'There is no such entry in the journal, so nothing of it was sent.')
      }
      const { state } = seen.entry
      if (state === 'succeeded' || state === 'compensating' || state === 'compensated') return seen.entry
      const over = clock.monotonicMs() >= untilMs || options.signal?.aborted === true
      if (over && state !== 'failed') throw new EffectInDoubt(identityOf(seen.entry), state, seen.entry.reason)
      const changed = await this.#makeKnown(effect, seen, options.reason)
      if (!changed) await this.#wait(seen, untilMs, tries, options.signal)
    }
  }

  /** One step toward knowing; true where the entry has changed. */
  async #makeKnown(effect: RuntimeEffect<Tx>, seen: Seen, why: string): Promise<boolean> {
    const { entry } = seen
    const { maxAttempts } = effect.capabilities.limits
    switch (entry.state) {
      case 'failed':
        throw notHappened(effect, entry, entry.reason?.message ?? 'It was rejected.')
      case 'pending':
        return this.#callOff(seen, 'pending', why)
      case 'executing':
        return this.#takeOverLost(effect, seen)
      default: {
        // Not only told of: a person could have it tried again tomorrow.
        if (entry.state === 'parked' && entry.inDoubtSinceMs === null) return this.#callOff(seen, 'parked', why)
        if (entry.leaseUntilMs !== null && entry.leaseUntilMs > seen.nowMs) return false
        const looked = await lookUp(this.#core, effect, seen)
        // Nothing but a person, an audit or an event can tell: waiting would not.
        if (looked === null && entry.state === 'parked') {
          throw new EffectInDoubt(identityOf(entry), entry.state, entry.reason)
        }
        const evidence = looked === null ? null : evidenceOf(looked, entry, maxAttempts, calledOff(why))
        return evidence !== null && (await settleByEvidence(this.#core, seen, evidence)) !== null
      }
    }
  }

  /** It has not been executed: from now on it never will. */
  async #callOff({ entry }: Seen, state: 'pending' | 'parked', why: string): Promise<boolean> {
    const change = callOffChange(entry, calledOff(why))
    const after = await this.#core.context.journal.settleByEvidence({
      ...{ id: entry.id, fence: entry.fence, state, change },
    })
    if (after !== null) await announce(this.#core, after)
    return after !== null
  }

  /** A call whose holder is lost becomes a doubt, as for any worker; it is given back at once, to be looked up. */
  async #takeOverLost(effect: RuntimeEffect<Tx>, { entry, nowMs }: Seen): Promise<boolean> {
    if (!isClaimable(entry, nowMs)) return false
    const { journal } = this.#core.context
    const claimed = await journal.claim(entry.id, this.#core.newTerms(effect))
    if (claimed?.claimed !== true || claimed.entry.state !== 'in_doubt') return false
    const { id, fence, owner } = claimed.entry
    const change = transition(claimed.entry, { type: 'postponed', dueInMs: 0, findFailed: null })
    await journal.write([{ id, fence, owner: owner ?? '', change }])
    return true
  }

  async #wait({ entry }: Seen, untilMs: number, tries: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, randomness } = this.#core.context
    const leftMs = Math.max(1, untilMs - clock.monotonicMs())
    const delayMs = Math.min(leftMs, Math.max(10, backoffMs(randomness, tries, LOOK_AGAIN)))
    await this.#core.waiters.next(entry, delayMs, signal)
  }
}

/** How much an executed entry moved, as its provider says; null where it does not, what it says makes no sense, or the entry is compact. */
export function amountOf<Tx>(
  effect: RuntimeEffect<Tx>,
  entry: Pick<Entry, 'input' | 'receipt' | 'isCompact'>,
): Promise<Money | null> | Money | null {
  if (effect.provider.amount === undefined || entry.isCompact) return null
  const input = readInput(effect, entry.input)
  // Without a promise where there is no schema to wait for: audits ask for millions.
  if (!(input instanceof Promise)) return amountBy(effect, entry.receipt, input)
  return input.then(
    (read: unknown) => amountBy(effect, entry.receipt, read),
    () => null,
  )
}

function amountBy<Tx>(effect: RuntimeEffect<Tx>, receipt: JsonValue, input: unknown): Money | null {
  try {
    const money = effect.provider.amount?.(receipt, input) ?? null
    return money === null || moneyProblem(money) !== null ? null : money
  } catch {
    // A bug in the user's function must not keep a wrong charge from being undone.
    return null
  }
}

function checkOptions({ reason, amount, refundKey }: CompensateOptions): void {
  if (typeof reason !== 'string' || reason === '') throw new ConfigurationError('Say why: `reason` is empty.')
  if (amount === undefined) return
  const problem = moneyProblem(amount)
  if (problem !== null) throw new ConfigurationError(`The amount to give back ${problem}. Nothing was undone.`)
  if (refundKey === undefined || refundKey === '') {
    const why = 'without it, a second refund of the same amount could not be told from a repeated request for the first'
    throw new ConfigurationError(`A refund of a part needs a \`refundKey\`: ${why}. Nothing was undone.`)
  }
}

/** P7 for undoings: one refund key stands for one amount. */
function checkSame(
  earlier: Compensation,
  { undoId, namespace, effect, part }: CompensationOrder,
  key: string,
  { externalId, refundKey }: Undoing,
): void {
  const same = part === null ? earlier.whole : !earlier.whole && part.minorUnits === earlier.minorUnits
  if (same) return
  const undo = { effect: undoNameOf(effect), key: undoKeyOf(externalId, refundKey), generation: 1 }
  const identity = { ...undo, id: undoId, reference: reference(namespace, undo.effect, undo.key, 1) }
  const asked = amountInWords(part?.minorUnits ?? null)
  const stands = amountInWords(earlier.whole ? null : earlier.minorUnits)
  throw new KeyReuseError(identity, {
    problem:
      `${effect} ${JSON.stringify(key)}: the refundKey ${JSON.stringify(refundKey)} stands for another amount, ${stands}; ` +
      `now ${asked} was asked for. The earlier refund stands as it is and nothing was sent.`,
    next: 'Ask for the same amount to join it; another refund needs another `refundKey`.',
  })
}

function amountInWords(minorUnits: number | null): string {
  return minorUnits === null ? 'all that was left' : `${minorUnits} minor units`
}

function calledOff(why: string): Reason {
  return { code: 'called_off', message: `It had not happened when it was to be undone, and was called off: ${why}` }
}

function notHappened<Tx>(effect: RuntimeEffect<Tx>, entry: Entry, message: string): CompensationRefused {
  return refusal(effect, entry.key, 'did_not_happen', `It did not happen. ${message}`)
}

function refusal<Tx>(effect: RuntimeEffect<Tx>, key: string, code: string, message: string): CompensationRefused {
  return new CompensationRefused({ effect: effect.name, key }, { code, message })
}
