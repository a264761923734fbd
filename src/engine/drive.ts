import {
  type Begun,
  type ClaimTerms,
  EffectRejected,
  type Entry,
  GenerationNotOpenError,
  isAtRest,
  isTransient,
  KeyReuseError,
  type Seen,
} from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { identityOf } from './context.js'
import type { Core } from './core.js'
import type { RuntimeEffect } from './effect.js'
import type { Prepared } from './prepare.js'

const JOURNAL_RETRY = { retryFirstMs: 20, retryLongestMs: 1_000 }

/**
 * Drives one effect of this process to rest, for as long as anybody here waits for it: begins it or joins it, takes it
 * whenever it is free and due, and otherwise waits for its holder. All callers of one key in a process share one drive.
 */
export class Drive<Tx> {
  readonly #core: Core<Tx>
  readonly #effect: RuntimeEffect<Tx>
  readonly #prepared: Prepared
  /** Which generation the caller named; null: whichever is current. */
  readonly #asked: number | null
  readonly #terms: ClaimTerms
  readonly result: Promise<Entry>
  /** How the entry stood when it was last seen; null until the journal has answered. */
  lastSeen: Entry | null = null
  /** The journal's last trouble, while it does not answer. */
  trouble: unknown = null
  #callers = 0
  /** Our clock before the first request whose answer was lost: it may have been granted (see `#adopt`). */
  #lostAskMs: number | null = null

  constructor(core: Core<Tx>, effect: RuntimeEffect<Tx>, prepared: Prepared, asked: number | null) {
    this.#core = core
    this.#effect = effect
    this.#prepared = prepared
    this.#asked = asked
    this.#terms = core.termsOf(effect)
    this.result = this.#run()
    // Callers that have left are not told; those that wait hear of it through their own race.
    this.result.catch(() => undefined)
  }

  enter(): void {
    this.#callers++
  }

  leave(): void {
    this.#callers--
  }

  async #run(): Promise<Entry> {
    let seen = await this.#begin()
    while (!isAtRest(seen.entry.state)) {
      this.lastSeen = seen.entry
      if (this.#callers === 0) return seen.entry
      seen = await this.#step(seen)
    }
    this.lastSeen = seen.entry
    return seen.entry
  }

  async #begin(): Promise<Seen> {
    const askedAtMs = this.#core.context.clock.monotonicMs()
    const begun = await this.#untilAnswered(askedAtMs, () => this.#beginOrRenew())
    if (begun === null) throw this.#notOpen(null)
    await this.#check(begun)
    const ours = begun.created || this.#adopt(begun.entry, 1)
    return ours ? this.#carry({ ...begun, askedAtMs: this.#lostAskMs ?? askedAtMs }) : begun
  }

  #beginOrRenew(): Promise<Begun | null> {
    const renewal = { intent: this.#prepared.intent, terms: this.#terms }
    const isFirst = this.#asked === null || this.#asked === 1
    return isFirst ? this.#core.begin(renewal) : this.#core.context.journal.renew(renewal)
  }

  /** P7 and P6: is the entry that stands the one that the caller means? */
  async #check({ created, entry }: Begun): Promise<void> {
    if (created) return
    const { intent } = this.#prepared
    if (this.#asked !== null && this.#asked !== entry.generation) {
      if (this.#asked > entry.generation) throw this.#notOpen(entry)
      const message = `generation ${this.#asked} did not take effect; generation ${entry.generation} was begun after it`
      throw new EffectRejected({ ...identityOf(entry), generation: this.#asked }, { code: 'superseded', message })
    }
    if (entry.fingerprint === intent.fingerprint) return
    const earlier = this.#asked === null ? await this.#core.context.journal.earlierFingerprints(entry.id) : []
    if (!earlier.includes(intent.fingerprint)) throw new KeyReuseError(identityOf(entry))
  }

  #notOpen(entry: Entry | null): GenerationNotOpenError {
    const { intent } = this.#prepared
    const identity = entry === null ? { ...intent, generation: 0 } : identityOf(entry)
    return new GenerationNotOpenError(identity, entry?.state ?? null, intent.generation)
  }

  async #step(seen: Seen): Promise<Seen> {
    const { entry, nowMs } = seen
    const freeAtMs = Math.max(entry.dueAtMs ?? nowMs, entry.leaseUntilMs ?? nowMs)
    if (freeAtMs > nowMs) {
      const changed = await this.#core.waiters.next(entry, freeAtMs - nowMs + 1)
      if (changed !== null) return changed
    }
    const askedAtMs = this.#core.context.clock.monotonicMs()
    const claimed = await this.#untilAnswered(askedAtMs, () => this.#core.context.journal.claim(entry.id, this.#terms))
    if (claimed === null) return seen
    const ours = claimed.claimed || this.#adopt(claimed.entry, entry.fence + 1)
    return ours ? this.#carry({ ...claimed, askedAtMs: this.#lostAskMs ?? askedAtMs }) : claimed
  }

  async #carry(held: Seen & { readonly askedAtMs: number }): Promise<Seen> {
    this.#lostAskMs = null
    const after = await this.#core.carry(this.#effect, held)
    if (after !== null) return after
    const [now] = await this.#core.context.journal.read([held.entry.id])
    return now ?? held
  }

  /**
   * Whether a lease that the journal shows is one that we asked for and whose answer was lost: then nothing was sent
   * under it, and going on beats a doubt that nobody can end. Our time counts from the request that was lost.
   */
  #adopt(entry: Entry, expectedFence: number): boolean {
    return (
      this.#lostAskMs !== null &&
      entry.owner === this.#core.context.owner &&
      entry.fence === expectedFence &&
      entry.fingerprint === this.#prepared.intent.fingerprint &&
      !this.#core.isCarrying(entry.id)
    )
  }

  async #untilAnswered<T>(askedAtMs: number, ask: () => Promise<T>): Promise<T> {
    const { clock, randomness } = this.#core.context
    for (let tries = 1; ; tries++) {
      try {
        const answer = await ask()
        this.trouble = null
        return answer
      } catch (error) {
        this.trouble = error
        if (!isTransient(error) || this.#callers === 0) throw error
        this.#lostAskMs ??= askedAtMs
        await clock.sleep(backoffMs(randomness, tries, JOURNAL_RETRY))
      }
    }
  }
}
