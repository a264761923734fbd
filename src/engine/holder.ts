import {
  type Change,
  countsAgainstEntry,
  decide,
  type Entry,
  type Event,
  enact,
  type FindStep,
  JournalError,
  type JournalTime,
  type JournalWrite,
  type Outcome,
  reasonOfError,
  resolveByFind,
  type Seen,
  type Step,
  transition,
  type Written,
} from '../protocol/index.js'
import { backoffMs, lookUpDelayMs } from './backoff.js'
import { type CallEnd, execute, find, notAsked, notMade } from './call.js'
import { type Context, type Held, tell } from './context.js'
import type { RuntimeEffect } from './effect.js'
import type { Permit, ServiceGuard } from './guards/index.js'
import { readInput } from './prepare.js'

/** How long a known outcome is tried to be written while the journal cannot be reached. Losing it would cost a doubt. */
export const WRITE_PATIENCE_MS = 300_000
/** Failures in a row after which waiting no longer doubles. */
const LONG_OUTAGE = 12

const WRITE_RETRY = { retryFirstMs: 50, retryLongestMs: 2_000 }

/**
 * Carries out what the protocol decides for one entry whose lease is ours, until the lease is given back.
 *
 * It returns the entry as it then stands, or null when the lease was lost: then another holder acts, and nothing that
 * this one wanted to write took effect (P2).
 */
export class Holder<Tx> {
  readonly #context: Context<Tx>
  readonly #effect: RuntimeEffect<Tx>
  readonly #write: (write: JournalWrite) => Promise<Written>
  readonly #guard: ServiceGuard
  /** Taken before the call is written down, so that whoever claims next knows of it. */
  #permit: Permit | null = null

  constructor(context: Context<Tx>, effect: RuntimeEffect<Tx>, write: (write: JournalWrite) => Promise<Written>) {
    this.#context = context
    this.#effect = effect
    this.#write = write
    this.#guard = context.guards.of(effect)
  }

  carry(held: Held): Promise<Seen | null> {
    this.#permit = this.#guard.begin(held.entry.id)
    return held.entry.state === 'executing' ? this.#call(held) : this.#resolve(held)
  }

  #takePermit(entry: Entry): Permit {
    const permit = this.#permit ?? this.#guard.begin(entry.id)
    this.#permit = null
    return permit
  }

  /** The entry is `executing`, durably (P1): make the call, write down what came of it. */
  #call(held: Held): Promise<Seen | null> {
    const input = this.#input(held.entry)
    return input instanceof Promise ? input.then((read) => this.#callWith(held, read)) : this.#callWith(held, input)
  }

  #callWith({ entry, askedAtMs }: Held, input: Readable): Promise<Seen | null> {
    const { clock, deadlines } = this.#context
    const deadlineMs = askedAtMs + this.#effect.capabilities.limits.timeoutMs
    const permit = this.#takePermit(entry)
    const call = input.ok
      ? execute(this.#effect, entry, input.value, { clock, deadlines, deadlineMs, permit })
      : Promise.resolve(notMade(unreadable(input.error)))
    return call.then((end) => {
      permit.giveBack()
      return this.#record(entry, this.#attemptEnded(entry, end, permit))
    })
  }

  #attemptEnded(entry: Entry, end: CallEnd, permit: Permit): Event {
    const { outcome, callOver, news } = end
    const { maxAttempts, patienceMs } = this.#effect.capabilities.limits
    const uncounted = !countsAgainstEntry(news, permit.begunInOutage)
    const retryInMs = this.#retryInMs(entry, end, uncounted)
    return { type: 'attempt_ended', outcome, callOver, uncounted, retryInMs, maxAttempts, patienceMs }
  }

  /** The entry is in doubt: end the doubt by evidence, or wait, or park it. */
  async #resolve(held: Held): Promise<Seen | null> {
    const permit = this.#permit
    try {
      return await this.#follow(decide(held.entry, this.#effect.capabilities, held.nowMs), held)
    } finally {
      // Where no call came of it. A permit that has ended stays as it is.
      permit?.giveBack()
      this.#permit?.giveBack()
    }
  }

  async #follow(step: Step, held: Held): Promise<Seen | null> {
    switch (step.do) {
      case 'execute':
        return this.#callAgain(held.entry, this.#nextCall(), held.askedAtMs)
      case 'find':
        return this.#find(held, step)
      case 'park':
        return this.#record(held.entry, { type: 'parked', reason: step.reason, knownAbsent: false })
      case 'answer':
      case 'await_holder':
        return { entry: held.entry, nowMs: held.nowMs }
    }
  }

  #nextCall(): Event & { type: 'attempt_started' } {
    const { leaseMs, capabilities } = this.#effect
    return { type: 'attempt_started', proof: 'key', leaseMs, timeoutMs: capabilities.limits.timeoutMs }
  }

  /**
   * Another call from doubt, committed before it is made (P1). `askedAtMs`: our clock before the one that the decision
   * rests on was asked; the call's time counts from there (P4 a).
   */
  async #callAgain(
    entry: Entry,
    started: Event & { type: 'attempt_started' },
    askedAtMs: number,
  ): Promise<Seen | null> {
    const seen = await this.#record(entry, started)
    return seen === null ? null : this.#call({ ...seen, askedAtMs })
  }

  async #find({ entry, nowMs, askedAtMs, keepsLimits }: Held, step: FindStep): Promise<Seen | null> {
    const { clock, deadlines } = this.#context
    const { limits } = this.#effect.capabilities
    const input = await this.#input(entry)
    const permit = this.#takePermit(entry)
    const { result, news, pauseMs } = input.ok
      ? await find(this.#effect, entry, input.value, {
          clock,
          deadlines,
          deadlineMs: askedAtMs + limits.timeoutMs,
          permit,
        })
      : notAsked(reasonOfError(input.error))
    permit.giveBack()
    const uncounted = !countsAgainstEntry(news, permit.begunInOutage)
    const retryInMs = Math.max(pauseMs, this.#findAgainInMs(entry, uncounted))
    const { leaseMs } = this.#effect
    const heldBackMs = keepsLimits === true ? this.#guard.overRateForMs() : 0
    const terms = { limits, leaseMs, retryInMs, uncounted, heldBackMs, askedAtMs: nowMs }
    const event = resolveByFind(entry, step, result, terms)
    if (event.type !== 'attempt_started') return this.#record(entry, event)
    this.#permit = this.#guard.begin(entry.id)
    // A proven absence stays one, so that this call's time counts from now.
    return this.#callAgain(entry, event, clock.monotonicMs())
  }

  /** Writes an event under our fence. */
  #record(entry: Entry, event: Event): Promise<Seen | null> {
    const change = transition(entry, event)
    const write = { id: entry.id, fence: entry.fence, owner: entry.owner ?? '', change }
    return this.#write(write).then(
      (written) => (written.applied ? seenAfter(entry, change, written.nowMs) : null),
      (error: unknown) => this.#recordAgain(entry, write, error),
    )
  }

  /**
   * While the journal cannot be reached it tries again: a write may have been applied though its answer was lost, which
   * a second, refused one and a look at the entry then show.
   */
  async #recordAgain(entry: Entry, write: JournalWrite, failure: unknown): Promise<Seen | null> {
    const { clock, randomness, hooks } = this.#context
    const giveUpAtMs = clock.monotonicMs() + WRITE_PATIENCE_MS
    let error = failure
    for (let tries = 1; ; tries++) {
      // Also where it is not thought to pass (a password that was changed): nothing else knows what came of the call.
      if (!(error instanceof JournalError) || error.refused || clock.monotonicMs() >= giveUpAtMs) throw error
      tell(() => hooks.onError?.(error))
      await clock.sleep(backoffMs(randomness, tries, WRITE_RETRY))
      try {
        const written = await this.#write(write)
        if (written.applied) return seenAfter(entry, write.change, written.nowMs)
        return await this.#appliedEarlier(entry, write.change)
      } catch (another) {
        error = another
      }
    }
  }

  async #appliedEarlier(entry: Entry, change: Change): Promise<Seen | null> {
    const [seen] = await this.#context.journal.read([entry.id])
    if (seen === undefined || seen === null) return null
    const ours = seen.entry.fence === entry.fence && seen.entry.state === change.state
    return ours ? seen : null
  }

  /** A promise only where a schema has to be asked. It never rejects. */
  #input(entry: Entry): Readable | Promise<Readable> {
    const value = readInput(this.#effect, entry.input)
    if (!(value instanceof Promise)) return { ok: true, value }
    return value.then(
      (validated: unknown) => ({ ok: true, value: validated }),
      (error: unknown) => ({ ok: false, error }),
    )
  }

  #retryInMs(entry: Entry, { outcome, pauseMs }: CallEnd, uncounted: boolean): number {
    // Nothing is tried again after the usual end, and every effect comes through here.
    if (outcome.kind === 'executed') return 0
    const tries = uncounted ? Math.max(entry.attempts, this.#failuresOfService) : entry.attempts
    return Math.max(pauseMs, backoffMs(this.#context.randomness, tries, this.#effect))
  }

  /** What does not count is the service's matter, whose probes show soon when it is over. */
  #findAgainInMs(entry: Entry, uncounted: boolean): number {
    const { randomness } = this.#context
    if (uncounted) return backoffMs(randomness, Math.max(1, this.#failuresOfService), this.#effect)
    return lookUpDelayMs(randomness, entry.findFailures + 1, this.#effect)
  }

  /** Calls that do not count for the entry: their number is the service's. */
  get #failuresOfService(): number {
    return Math.min(this.#guard.failuresInARow, LONG_OUTAGE)
  }
}

function seenAfter(entry: Entry, change: Change, nowMs: JournalTime): Seen {
  return { entry: enact(entry, change, nowMs), nowMs }
}

/** An input as the effect's schema gives it, or the schema's refusal. */
type Readable = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

function unreadable(error: unknown): Outcome {
  const { message } = reasonOfError(error)
  return { kind: 'not_executed', reason: { code: 'input_unreadable', message }, retryAfterMs: null }
}
