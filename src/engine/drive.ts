import {
  type Begun,
  type Claimed,
  type ClaimTerms,
  EffectInDoubt,
  EffectRejected,
  type Entry,
  GenerationNotOpenError,
  hasAnswer,
  type Intent,
  isClaimable,
  isTransient,
  JournalError,
  KeyReuseError,
  LeaseUnavailable,
  type Seen,
} from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { identityOf } from './context.js'
import type { Carried, Core } from './core.js'
import type { RuntimeEffect } from './effect.js'
import { orNullAfter } from './patience.js'
import type { Prepared } from './prepare.js'
import { inTurn } from './turns.js'

/** How often to look whether an effect has its turn. */
const LOOK_FOR_TURN_MS = 50

const JOURNAL_RETRY = { retryFirstMs: 20, retryLongestMs: 1_000 }

/** What a drive is to drive: an effect, ready to begin, in the generation that its callers named (null: the current one). */
export interface DriveOrder<Tx> {
  readonly effect: RuntimeEffect<Tx>
  readonly prepared: Prepared
  readonly generation: number | null
  /** The entry was created before, with what it belongs to: it is joined, and where it is gone, none is created in its place. */
  readonly joins: boolean
}

/** How one who asks waits. */
export interface Waits {
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

/** One who waits for a drive, and is told once how it ended, unless he has left. */
export interface Waiting {
  readonly promise: Promise<unknown>
  isFor(waits: Waits): boolean
  end(entry: Entry): void
  fail(error: unknown): void
}

/**
 * Drives one effect of this process to rest, for as long as anybody here waits for it: begins it or joins it, takes it
 * whenever it is free and due, and otherwise waits for its holder. All callers of one key in a process share one drive.
 */
export class Drive<Tx> {
  readonly #core: Core<Tx>
  readonly #order: DriveOrder<Tx>
  /** Its owner is this drive's alone, so that a lease whose grant was lost on the way can be recognised. */
  readonly #terms: ClaimTerms
  readonly #onEnd: () => void
  /** Nearly always it is one. */
  #callers: Waiting[] = []
  /** How the entry stood when it was last seen; null until the journal has told that it knows of it. */
  lastSeen: Entry | null = null
  /** It waits for others of this process, and the journal has not been asked for anything. */
  isQueued = true
  /** The journal's last trouble, while it does not answer. */
  trouble: unknown = null
  /** The first run of the `settled` handler, where this drive brought the entry to rest. */
  #settlement: Promise<unknown> | null = null
  /** How long to wait before looking whether the entry has its turn. */
  #lookAgainMs = 0
  /** Ends a wait for the entry. */
  #wait: AbortController | null = null
  /** Our clock before the last request for a lease: whatever it has granted counts from there (P3). */
  #askedAtMs = 0
  /** Our clock before the first request for a lease whose answer was lost: it may have been granted. */
  #lostAskMs: number | null = null

  /** `onEnd` is called in the same turn in which the drive stops taking callers. */
  constructor(core: Core<Tx>, order: DriveOrder<Tx>, onEnd: () => void) {
    this.#core = core
    this.#order = order
    this.#terms = core.newTerms(order.effect)
    this.#onEnd = onEnd
    void this.#run()
  }

  get effect(): RuntimeEffect<Tx> {
    return this.#order.effect
  }

  get prepared(): Prepared {
    return this.#order.prepared
  }

  /** What one who waits was promised, where another who comes now may have the same. */
  promised(waits: Waits): Promise<unknown> | null {
    const newest = this.#callers.at(-1)
    return newest?.isFor(waits) === true ? newest.promise : null
  }

  enter(caller: Waiting): void {
    // A list that is pushed to has room for sixteen more.
    if (this.#callers.length === 0) this.#callers = [caller]
    else this.#callers.push(caller)
  }

  /** One who has not been told leaves. */
  leave(caller: Waiting): void {
    const place = this.#callers.indexOf(caller)
    if (place !== -1) this.#callers.splice(place, 1)
    // What is due in an hour must not be looked for until then, and taken, for nobody.
    if (this.#callers.length === 0) this.#wait?.abort()
  }

  /** The journal is known to have the entry: whatever becomes of this process, somebody goes on with it. */
  get isKnown(): boolean {
    return this.lastSeen !== null || this.#order.joins
  }

  /** It never rejects: its callers hear of a failure, and when all have left, nobody needs to. */
  async #run(): Promise<void> {
    const { slots, context } = this.#core
    let seen: Seen
    try {
      if (!slots.takeIfFree()) {
        await slots.take()
        if (this.#callers.length === 0) {
          // Whoever has left was told that nothing would be sent.
          slots.give()
          this.#onEnd()
          return
        }
      }
      this.isQueued = false
      try {
        if (!this.#core.isPrepared) await this.#untilPrepared()
        this.#askedAtMs = context.clock.monotonicMs()
        let begun: Begun | null
        try {
          begun = await this.#beginOrRenew()
        } catch (error) {
          begun = await this.#askAgain(() => this.#beginOrRenew(), error, 'lease')
        }
        seen = await this.#goOn(begun)
      } finally {
        slots.give()
      }
      for (;;) {
        this.lastSeen = seen.entry
        if (hasAnswer(seen.entry.state) || this.#callers.length === 0) break
        seen = await this.#step(seen)
      }
      if (this.#settlement !== null) await this.#settled(this.#settlement)
    } catch (error) {
      this.#onEnd()
      for (const caller of this.#callers) caller.fail(error)
      return
    }
    this.#onEnd()
    for (const caller of this.#callers) caller.end(seen.entry)
  }

  /** Making its tables takes a journal longer than many a call may, so that no clock runs meanwhile. */
  async #untilPrepared(): Promise<void> {
    await this.#untilAnswered(() => this.#core.prepare())
    if (this.#callers.length === 0) throw new JournalError('Nobody has waited for the journal to be ready.')
  }

  /** Carries what this drive has begun, at once, and looks whether it may join what others have. */
  #goOn(begun: Begun | null): Promise<Seen> {
    if (begun?.created === true && begun.entry.state === 'executing') {
      this.lastSeen = begun.entry
      return this.#carry({ entry: begun.entry, nowMs: begun.nowMs, askedAtMs: this.#askedAtMs })
    }
    return this.#joinOthers(begun)
  }

  async #joinOthers(begun: Begun | null): Promise<Seen> {
    if (begun === null) throw this.#notOpen(null)
    if (!begun.created) await this.#check(begun.entry)
    this.lastSeen = begun.entry
    return (await this.#adopt(begun)) ?? begun
  }

  #beginOrRenew(): Promise<Begun | null> {
    const { prepared, generation, joins } = this.#order
    if (joins) return this.#join(prepared.intent)
    const renewal = { intent: prepared.intent, terms: this.#terms }
    return generation === null || generation === 1
      ? this.#core.begin(renewal)
      : this.#core.context.journal.renew(renewal)
  }

  async #join(intent: Intent): Promise<Begun> {
    const [seen] = await this.#core.context.journal.read([intent.id])
    if (seen === undefined || seen === null) throw gone(intent)
    return { created: false, ...seen }
  }

  /** P6 and P7: is the entry that stands the one that the caller means? */
  async #check(entry: Entry): Promise<void> {
    const { prepared, generation } = this.#order
    if (generation !== null && generation > entry.generation) throw this.#notOpen(entry)
    if (generation !== null && generation < entry.generation) {
      const message = `generation ${generation} did not take effect; generation ${entry.generation} was begun after it`
      throw new EffectRejected({ ...identityOf(entry), generation }, { code: 'superseded', message })
    }
    const { fingerprint } = prepared.intent
    if (entry.fingerprint === fingerprint) return
    // A late duplicate of an earlier generation is told how the key stands now.
    const { journal } = this.#core.context
    const earlier = generation === null ? await this.#untilAnswered(() => journal.earlierFingerprints(entry.id)) : []
    if (!earlier.includes(fingerprint)) throw new KeyReuseError(identityOf(entry))
  }

  #notOpen(entry: Entry | null): GenerationNotOpenError {
    const { intent } = this.#order.prepared
    const identity = entry === null ? { ...intent, generation: 0 } : identityOf(entry)
    return new GenerationNotOpenError(identity, entry?.state ?? null, intent.generation)
  }

  async #step(seen: Seen): Promise<Seen> {
    const { entry, nowMs } = seen
    const freeAtMs = Math.max(entry.dueAtMs ?? nowMs, entry.leaseUntilMs ?? nowMs)
    const delayMs = Math.max(freeAtMs > nowMs ? freeAtMs - nowMs + 1 : 0, this.#lookAgainMs, this.#pausedForMs(entry))
    if (delayMs > 0) {
      this.#wait = new AbortController()
      const changed = await this.#core.waiters.next(entry, delayMs, this.#wait.signal)
      this.#wait = null
      if (changed !== null) return changed
    }
    return this.#core.slots.use(async () => (this.#callers.length === 0 ? seen : this.#takeInTurn(entry)))
  }

  /** A first call waits for nobody; a repeated one comes when the service has said that it may (Retry-After). */
  #pausedForMs({ attempts }: Entry): number {
    return attempts === 0 ? 0 : this.#core.context.guards.of(this.#order.effect).pausedForMs
  }

  async #takeInTurn(entry: Entry): Promise<Seen> {
    const { namespace, serializeKey } = entry
    if (serializeKey === null) return this.#take(entry)
    const { leaseMs } = this.#order.effect
    const turn = { namespace, serializeKey, leaseMs }
    const taken = await inTurn(this.#core.context, turn, () => this.#take(entry)).catch(nullIfUnavailable)
    if (taken !== null) return taken
    this.#lookAgainMs = LOOK_FOR_TURN_MS
    return (
      (await this.#untilAnswered(() => this.#core.context.journal.read([entry.id])))[0] ?? Promise.reject(gone(entry))
    )
  }

  async #take(entry: Entry): Promise<Seen> {
    this.#askedAtMs = this.#core.context.clock.monotonicMs()
    const claimed = await this.#untilAnswered(() => this.#claim(entry), 'lease')
    if (claimed.claimed) return this.#carry({ ...claimed, askedAtMs: this.#askedAtMs })
    // Due and free, but not taken: others of its `serializeKey` come first, and their end is no change of this entry.
    this.#lookAgainMs = isTurnAwaited(claimed) ? LOOK_FOR_TURN_MS : 0
    return this.#adopt(claimed) ?? claimed
  }

  async #claim(entry: Entry): Promise<Claimed> {
    const claimed = await this.#core.context.journal.claim(entry.id, this.#terms)
    if (claimed !== null) return claimed
    throw gone(entry)
  }

  /**
   * Goes on under a lease that the journal shows as this drive's own, though its grant was lost on the way: nothing was
   * sent under it, and going on beats a doubt that nobody can end. Our time counts from the request that was lost.
   */
  #adopt(seen: Seen): Promise<Seen> | null {
    const askedAtMs = this.#lostAskMs
    return askedAtMs !== null && seen.entry.owner === this.#terms.owner ? this.#carry({ ...seen, askedAtMs }) : null
  }

  #carry(held: Seen & { readonly askedAtMs: number }): Promise<Seen> {
    this.#lostAskMs = null
    this.#lookAgainMs = 0
    return this.#core.carry(this.#order.effect, held).then(
      (after) => (after === null ? this.#readAfterLoss(held) : this.#noteCarried(after)),
      (error: unknown) => this.#throwInDoubt(held, error),
    )
  }

  #noteCarried(after: Carried): Seen {
    this.lastSeen = after.entry
    this.#settlement = after.settlement
    return after
  }

  async #readAfterLoss(held: Seen): Promise<Seen> {
    const { journal } = this.#core.context
    try {
      return (await this.#untilAnswered(() => journal.read([held.entry.id])))[0] ?? held
    } catch (error) {
      return this.#throwInDoubt(held, error)
    }
  }

  /** What was sent is not known to be recorded: that is a doubt, whatever failed. */
  #throwInDoubt({ entry }: Seen, cause: unknown): never {
    throw new EffectInDoubt(identityOf(entry), entry.state, entry.reason, { cause })
  }

  /**
   * The `settled` handler is consequence: callers wait for its first run, but not for ever (P8). They hold no slot in the
   * meantime, since the handler may itself perform effects.
   */
  #settled(settlement: Promise<unknown>): Promise<unknown> {
    const { clock } = this.#core.context
    return orNullAfter(settlement, { clock, delayMs: this.#order.effect.capabilities.limits.timeoutMs })
  }

  /** `what`: a lease may be granted though the answer is lost. */
  #untilAnswered<T>(ask: () => Promise<T>, what: 'lease' | 'answer' = 'answer'): Promise<T> {
    return ask().catch((error: unknown) => this.#askAgain(ask, error, what))
  }

  async #askAgain<T>(ask: () => Promise<T>, failure: unknown, what: 'lease' | 'answer'): Promise<T> {
    const { clock, randomness } = this.#core.context
    let error = failure
    for (let tries = 1; ; tries++) {
      if (!isTransient(error)) throw error
      this.trouble = error
      if (what === 'lease') this.#lostAskMs ??= this.#askedAtMs
      if (this.#callers.length === 0) throw error
      await clock.sleep(backoffMs(randomness, tries, JOURNAL_RETRY))
      // Nobody waits any more: nothing new is begun for those who have left.
      if (this.#callers.length === 0) throw error
      if (what === 'lease') this.#askedAtMs = clock.monotonicMs()
      try {
        const answer = await ask()
        this.trouble = null
        return answer
      } catch (another) {
        error = another
      }
    }
  }
}

/** Nothing was taken: it waits on, as long as its callers do. The worker loop tells of what is wrong with the leases. */
function nullIfUnavailable(error: unknown): null {
  if (error instanceof LeaseUnavailable) return null
  throw error
}

function isTurnAwaited({ claimed, entry, nowMs }: Claimed): boolean {
  return !claimed && entry.serializeKey !== null && isClaimable(entry, nowMs)
}

/** The code of the reason that the journal has no entry where there was one. */
export const ENTRY_GONE = 'entry_gone'

function gone(entry: Entry | Intent): EffectInDoubt {
  return new EffectInDoubt(identityOf(entry), 'state' in entry ? entry.state : 'pending', {
    code: ENTRY_GONE,
    message: 'the journal no longer has the entry: it was purged or restored from an older copy',
  })
}
