import type { EffectTerms, Head } from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { Budget, type Share } from './budget.js'
import { tell } from './context.js'
import type { Core } from './core.js'
import type { RuntimeEffect } from './effect.js'
import { inTurn } from './turns.js'

/** How the loop in this process works. */
export interface WorkerOptions {
  /** Entries carried at the same time. Default 32. */
  readonly concurrency: number
  /** The longest between two looks at the journal, when nothing wakes it. Default 1 s. */
  readonly pollMs: number
}

/** How long to leave a `serializeKey` alone that another process is acting for. */
const LOOK_FOR_TURN_MS = 50

/** The first of its looks after it found nothing to do. They come ever less often, the longer it is quiet. */
const FIRST_POLL_MS = 5

/** While there is other work: how often to look for what has a signal of its own, or is rare. */
const LOOK_ASIDE_MS = 250

/** How long to sleep while something is due that cannot be taken. */
const DUE_ELSEWHERE_MS = 100

/** How long to leave an entry alone whose handler another process is running, or could not be run. */
const LOOK_FOR_SETTLEMENT_MS = 1_000

/**
 * How many due handlers to choose from. All processes see the same ones first: were the first ones taken, they would
 * stand in each other's way, and what a killed worker left would be settled as slowly as by one.
 */
const SETTLEMENTS_IN_SIGHT = 64

const JOURNAL_RETRY = { retryFirstMs: 100, retryLongestMs: 5_000 }

/**
 * The loop that takes what is due in the journal: calls that wait for their turn, doubts to be ended, calls of lost
 * workers, and `settled` handlers. Any number of processes may run it.
 */
export class Worker<Tx> {
  readonly #core: Core<Tx>
  readonly #options: WorkerOptions
  readonly #terms: readonly EffectTerms[]
  readonly #underWay = new Set<Promise<void>>()
  /** Entries whose `settled` handler is left alone for a while: another process has it in hand. */
  readonly #settledElsewhere = new Set<string>()
  /** Entries that are about to be settled here. */
  readonly #settling = new Set<string>()
  /** The `serializeKey`s that this process is acting for. */
  readonly #turns = new Set<string>()
  readonly #budget: Budget<Tx>
  /** Whether effects of this process have to wait for their turn. */
  readonly #hasTurns: boolean
  readonly #stopping = new AbortController()
  /** Whether there was an effect, when last looked, of which nothing might be taken. */
  #isHeldBack = false
  /** When there was last something to do, or a wake-up, and when it was last looked aside: on our monotonic clock. */
  #activeAtMs = Number.NEGATIVE_INFINITY
  #lookedAsideAtMs = Number.NEGATIVE_INFINITY
  #wake = new AbortController()
  #unsubscribe: () => void = () => undefined
  #looping: Promise<void> = Promise.resolve()

  constructor(core: Core<Tx>, options: WorkerOptions) {
    this.#core = core
    this.#options = options
    const { namespace, effects } = core.context
    this.#terms = [...effects.values()].map((effect) => ({ namespace, effect: effect.name, ...core.newTerms(effect) }))
    this.#budget = new Budget(core.context, this.#terms)
    this.#hasTurns = [...effects.values()].some((effect) => effect.serializeBy !== undefined)
  }

  /** Looks at the journal once, so that a journal that cannot be used is known at once, and then goes on by itself. */
  async start(): Promise<void> {
    await this.#core.context.journal.nextDueInMs(this.#terms)
    this.#unsubscribe = this.#core.context.journal.subscribe(() => this.wake())
    this.#stopping.signal.addEventListener('abort', () => this.#wake.abort(), { once: true })
    this.#looping = this.#loop()
  }

  /** Takes nothing more, and resolves when what was taken has come to where its lease is given back. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#unsubscribe()
    await this.#looping
    await Promise.allSettled(this.#underWay)
  }

  /** Something may be due: look now, and often for a while. */
  wake(): void {
    this.#noteActivity()
    this.#wake.abort()
  }

  async #loop(): Promise<void> {
    const { clock, randomness, hooks } = this.#core.context
    let failures = 0
    while (!this.#stopping.signal.aborted) {
      try {
        const idleMs = await this.#round()
        failures = 0
        if (idleMs > 0) await this.#sleep(idleMs)
      } catch (error) {
        failures++
        tell(() => hooks.onError?.(error))
        await clock.sleep(backoffMs(randomness, failures, JOURNAL_RETRY), this.#stopping.signal)
      }
    }
  }

  /** One look: takes what is due, and says how long nothing more can be expected to be. */
  async #round(): Promise<number> {
    const free = this.#options.concurrency - this.#underWay.size
    if (free <= 0) {
      await Promise.race(this.#underWay)
      return 0
    }
    let taken = 0
    for (const share of this.#budget.shares()) taken += await this.#takeDue(share, free - taken)
    // Whether it is the turn of these shows when they are taken; another process may be acting for their key.
    let tried = 0
    if (this.#hasTurns || taken === 0 || this.#mayLookAside()) {
      for (const share of this.#budget.shares()) tried += await this.#takeHeads(share, free - taken - tried)
    }
    if (taken + tried === 0 || this.#mayLookAside()) taken += await this.#takeSettlements()
    if (taken > 0) this.#noteActivity()
    return taken + tried > 0 ? 0 : this.#idleMs()
  }

  /**
   * Handlers run with the outcome that they are for; due in the journal are those of lost workers and those that
   * failed. And an entry has a `serializeKey` whose effect has none any more only after a change of the program.
   */
  #mayLookAside(): boolean {
    return this.#core.context.clock.monotonicMs() - this.#lookedAsideAtMs >= LOOK_ASIDE_MS
  }

  async #takeDue({ terms, free }: Share, places: number): Promise<number> {
    const { journal, clock } = this.#core.context
    const limit = Math.min(places, free())
    if (limit <= 0) return 0
    const askedAtMs = clock.monotonicMs()
    const claimed = await journal.claimDue(terms, limit)
    for (const seen of claimed) this.#take(seen.entry, (effect) => this.#core.carry(effect, { ...seen, askedAtMs }))
    return claimed.length
  }

  async #takeHeads({ terms, free }: Share, places: number): Promise<number> {
    const limit = Math.min(places, free())
    if (limit <= 0) return 0
    const heads = this.#notUnderWay(await this.#core.context.journal.heads(terms, limit))
    for (const head of heads) this.#take(head, (effect) => this.#carryInTurn(effect, head))
    return heads.length
  }

  /** How long nothing more can be expected to be taken. */
  async #idleMs(): Promise<number> {
    const heldBack = this.#budget.heldBack()
    this.#isHeldBack = heldBack.length > 0
    const open = this.#terms.filter((terms) => !heldBack.some((held) => held.terms === terms))
    const nextMs = open.length === 0 ? null : await this.#core.context.journal.nextDueInMs(open)
    const waits = heldBack.map(({ waitMs }) => Math.ceil(waitMs)).filter((waitMs) => waitMs > 0)
    // Due and yet not to be had: its turn has not come, or others have it in hand. Looking at once would find the same.
    if (nextMs !== null) waits.push(nextMs > 0 ? Math.max(1, nextMs) : DUE_ELSEWHERE_MS)
    const quietMs = this.#core.context.clock.monotonicMs() - this.#activeAtMs
    return Math.min(this.#options.pollMs, Math.max(FIRST_POLL_MS, Math.ceil(quietMs)), ...waits)
  }

  async #takeSettlements(): Promise<number> {
    const due = await this.#dueSettlements()
    // Where there were some there may be more, of a worker that was lost with many.
    this.#lookedAsideAtMs = due.length > 0 ? Number.NEGATIVE_INFINITY : this.#core.context.clock.monotonicMs()
    for (const id of due) void this.#settle(id)
    return due.length
  }

  /** Handlers have places of their own, so that one that hangs keeps no effect from being made. */
  async #dueSettlements(): Promise<readonly string[]> {
    const { journal, randomness } = this.#core.context
    const places = this.#core.freeSettlements - this.#settling.size
    if (places <= 0) return []
    const due = await journal.dueSettlements(this.#terms, SETTLEMENTS_IN_SIGHT + this.#settledElsewhere.size)
    const open = due.filter(
      (id) => !this.#settling.has(id) && !this.#settledElsewhere.has(id) && !this.#core.isSettling(id),
    )
    if (open.length <= places) return open
    const from = Math.floor(randomness.next() * (open.length - places + 1))
    return open.slice(from, from + places)
  }

  #take(entry: { readonly effect: string }, work: (effect: RuntimeEffect<Tx>) => Promise<unknown>): void {
    const { hooks, effects } = this.#core.context
    const effect = effects.get(entry.effect)
    if (effect === undefined) return
    const giveBack = this.#budget.take(effect)
    const underWay = work(effect)
      .then(() => undefined)
      .catch((error: unknown) => tell(() => hooks.onError?.(error)))
      .finally(() => {
        giveBack()
        this.#underWay.delete(underWay)
        // Whatever was held back may have a place now.
        if (this.#isHeldBack) this.#wake.abort()
      })
    this.#underWay.add(underWay)
  }

  #notUnderWay(heads: readonly Head[]): readonly Head[] {
    return heads.filter(({ namespace, serializeKey }) => !this.#turns.has(`${namespace} ${serializeKey}`))
  }

  async #carryInTurn(effect: RuntimeEffect<Tx>, { id, namespace, serializeKey }: Head): Promise<void> {
    const { context } = this.#core
    const turn = `${namespace} ${serializeKey}`
    if (this.#turns.has(turn)) return
    this.#turns.add(turn)
    const callComesOrNot = this.#budget.expectCall(effect)
    try {
      const { leaseMs } = effect
      const taken = await inTurn(context, { namespace, serializeKey, leaseMs }, async () => {
        const askedAtMs = context.clock.monotonicMs()
        const claimed = await context.journal.claim(id, this.#core.newTerms(effect))
        if (claimed?.claimed !== true) return false
        callComesOrNot()
        this.#noteActivity()
        await this.#core.carry(effect, { ...claimed, askedAtMs })
        this.#noteActivity()
        return true
      })
      callComesOrNot()
      // Another process acts for this key: look again in a while, not in a tight loop.
      if (taken !== true) await context.clock.sleep(LOOK_FOR_TURN_MS, this.#stopping.signal)
    } finally {
      callComesOrNot()
      this.#turns.delete(turn)
      this.#wake.abort()
    }
  }

  async #settle(id: string): Promise<void> {
    this.#settling.add(id)
    const { context } = this.#core
    const [seen] = await context.journal.read([id]).catch(() => [])
    const effect = seen === undefined || seen === null ? undefined : context.effects.get(seen.entry.effect)
    const running = effect === undefined ? undefined : this.#core.settle(effect, id)
    this.#settling.delete(id)
    if ((await running) !== true) void this.#leaveAlone(id)
    this.#wake.abort()
  }

  /** It keeps no place meanwhile: others may be had. */
  async #leaveAlone(id: string): Promise<void> {
    this.#settledElsewhere.add(id)
    await this.#core.context.clock.sleep(LOOK_FOR_SETTLEMENT_MS, this.#stopping.signal)
    this.#settledElsewhere.delete(id)
    this.#wake.abort()
  }

  async #sleep(delayMs: number): Promise<void> {
    await this.#core.context.clock.sleep(delayMs, this.#wake.signal)
    if (this.#wake.signal.aborted && !this.#stopping.signal.aborted) this.#wake = new AbortController()
  }

  /** Where something has happened, more is likely: the next looks come soon. */
  #noteActivity(): void {
    this.#activeAtMs = this.#core.context.clock.monotonicMs()
  }
}
