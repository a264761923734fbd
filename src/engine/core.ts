import type { Begun, ClaimTerms, JournalWrite, Renewal, Seen, Written } from '../protocol/index.js'
import { type Context, type Held, tellState } from './context.js'
import type { RuntimeEffect } from './effect.js'
import { Handlers, type Whose } from './handlers.js'
import { Holder, WRITE_PATIENCE_MS } from './holder.js'
import { JournalBatches } from './journal-batches.js'
import { orNullAfter } from './patience.js'
import { isSettlementDue } from './settlement.js'
import { Slots } from './slots.js'
import { UnderWay } from './under-way.js'
import { Waiters } from './waiters.js'

/**
 * What `perform` and the worker loop share: one way to begin and to write (in batches), one way to carry a held entry
 * to where it rests, and the knowledge of what is under way.
 */
export class Core<Tx> {
  readonly context: Context<Tx>
  readonly waiters: Waiters<Tx>
  /** Bounds the calls that this process's `perform` callers have under way. */
  readonly slots: Slots
  readonly handlers: Handlers<Tx>
  readonly #batches: JournalBatches
  readonly #write = (write: JournalWrite): Promise<Written> => this.#batches.write(write)
  readonly #carried = new UnderWay()
  readonly #settled = new UnderWay()
  #claimants = 0
  #isPrepared: boolean

  constructor(context: Context<Tx>, maxUnderWay: number) {
    this.context = context
    this.#isPrepared = context.journal.prepare === undefined
    this.slots = new Slots(maxUnderWay)
    this.handlers = new Handlers(context)
    this.waiters = new Waiters(context.journal, context.clock, (error) => context.hooks.onError?.(error))
    this.#batches = new JournalBatches(context.journal, context.clock)
  }

  /** Whether the journal can be used at once. */
  get isPrepared(): boolean {
    return this.#isPrepared
  }

  async prepare(): Promise<void> {
    await this.context.journal.prepare?.()
    this.#isPrepared = true
  }

  /** Terms for one claimant. Every claimant has an owner of its own, so that no two parts of a process mistake each other's leases. */
  newTerms(effect: RuntimeEffect<Tx>): ClaimTerms {
    this.#claimants++
    const owner = `${this.context.owner}.${this.#claimants}`
    return { owner, leaseMs: effect.leaseMs, timeoutMs: effect.capabilities.limits.timeoutMs }
  }

  begin(item: Renewal): Promise<Begun> {
    return this.#batches.begin(item)
  }

  /**
   * Carries a held entry until its lease is given back; null when the lease was lost. The `settled` handler, if it is
   * due then and there is one here, runs on its own (P8): `settlement` resolves when its first run is over, and never rejects.
   */
  carry(effect: RuntimeEffect<Tx>, held: Held): Promise<Carried | null> {
    const carrying = new Holder(this.context, effect, this.#write).carry(held)
    // Only once there is something whose end will be noted.
    this.#carried.begin()
    return carrying.then(this.#noteCarried, this.#noteFailed)
  }

  readonly #noteCarried = (after: Seen | null): Carried | null => {
    const carried = after === null ? null : this.#giveBack(after)
    this.#carried.end()
    return carried
  }

  readonly #noteFailed = (error: unknown): never => {
    this.#carried.end()
    throw error
  }

  #giveBack(after: Seen): Carried {
    const { entry, nowMs } = after
    tellState(this.context.hooks, entry)
    this.waiters.announce(after)
    const settlement = isSettlementDue(this.context, entry) ? this.settle(entry.id, 'own') : null
    return { entry, nowMs, settlement }
  }

  /** Runs a `settled` handler, if nobody else does; it never rejects. */
  async settle(id: string, whose: Whose): Promise<boolean> {
    this.#settled.begin()
    try {
      return await this.handlers.run(id, whose)
    } finally {
      this.#settled.end()
    }
  }

  /**
   * Resolves when this process holds no lease and runs no handler. Outcomes are waited for as long as it is tried to
   * write them down. A handler that hangs is left behind after the time of the longest lease: its transaction then ends
   * with the process, and it runs again elsewhere.
   */
  async idle(): Promise<void> {
    const { clock, effects } = this.context
    const longestMs = Math.max(0, ...[...effects.values()].map((effect) => effect.leaseMs))
    await orNullAfter(this.#carried.none(), { clock, delayMs: longestMs + WRITE_PATIENCE_MS })
    // A handler begins before the end of the entry that it belongs to.
    await orNullAfter(this.#settled.none(), { clock, delayMs: longestMs })
  }
}

/** An entry whose lease was given back, and the first run of its `settled` handler where that was due. */
export interface Carried extends Seen {
  readonly settlement: Promise<unknown> | null
}
