import type { Begun, ClaimTerms, JournalWrite, Renewal, Seen, Written } from '../protocol/index.js'
import { Batcher } from './batcher.js'
import { type Context, type Held, tell } from './context.js'
import type { RuntimeEffect } from './effect.js'
import { Holder } from './holder.js'
import { isSettlementDue, runSettlement } from './settlement.js'
import { Waiters } from './waiters.js'

/** Rows in one statement: enough that one commit serves many callers, few enough that its plan stays flat. */
const BATCH_ROWS = 256

/**
 * What `perform` and the worker loop share: one way to begin and to write (in batches), one way to carry a held entry
 * to where it rests, and the knowledge of what this process is carrying.
 */
export class Core<Tx> {
  readonly context: Context<Tx>
  readonly waiters: Waiters<Tx>
  readonly #begins: Batcher<Renewal, Begun>
  readonly #writes: Batcher<JournalWrite, Written>
  readonly #carrying = new Map<string, Promise<unknown>>()

  constructor(context: Context<Tx>) {
    this.context = context
    this.waiters = new Waiters(context.journal, context.clock, (error) => context.hooks.onError?.(error))
    this.#begins = new Batcher((items) => context.journal.begin(items), { maxItems: BATCH_ROWS, maxUnderWay: 1 })
    this.#writes = new Batcher((items) => context.journal.write(items), { maxItems: BATCH_ROWS, maxUnderWay: 1 })
  }

  termsOf(effect: RuntimeEffect<Tx>): ClaimTerms {
    const { owner } = this.context
    return { owner, leaseMs: effect.leaseMs, timeoutMs: effect.capabilities.limits.timeoutMs }
  }

  begin(item: Renewal): Promise<Begun> {
    return this.#begins.add(item)
  }

  isCarrying(id: string): boolean {
    return this.#carrying.has(id)
  }

  /** Carries a held entry until its lease is given back, then runs the `settled` handler if it is due (P8). */
  async carry(effect: RuntimeEffect<Tx>, held: Held): Promise<Seen | null> {
    const { id } = held.entry
    const carrying = this.#carry(effect, held)
    this.#carrying.set(id, carrying)
    try {
      return await carrying
    } finally {
      this.#carrying.delete(id)
    }
  }

  async #carry(effect: RuntimeEffect<Tx>, held: Held): Promise<Seen | null> {
    const holder = new Holder(this.context, effect, (write) => this.#writes.add(write))
    const after = await holder.carry(held)
    if (after === null) return null
    this.waiters.announce(after)
    if (isSettlementDue(after.entry)) await this.#settle(effect, after.entry.id)
    return after
  }

  // The handler is consequence: neither its failure nor its slowness may keep the outcome from the caller.
  async #settle(effect: RuntimeEffect<Tx>, id: string): Promise<void> {
    const { clock, hooks } = this.context
    const over = new AbortController()
    const ran = runSettlement(this.context, effect, id).catch((error: unknown) => tell(() => hooks.onError?.(error)))
    await Promise.race([ran, clock.sleep(effect.capabilities.limits.timeoutMs, over.signal)])
    over.abort()
  }

  /** Resolves when nothing is being carried in this process. */
  async idle(): Promise<void> {
    while (this.#carrying.size > 0) await Promise.allSettled(this.#carrying.values())
  }
}
