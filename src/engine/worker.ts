import type { Begun, EffectTerms, Head, Intent, Seen } from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { Budget, type Share } from './budget.js'
import { CatchUp } from './catch-up.js'
import { tell } from './context.js'
import type { Core } from './core.js'
import type { RuntimeEffect } from './effect.js'
import { SETTLEMENTS_AT_ONCE } from './handlers.js'
import { LostHandlers } from './lost-handlers.js'
import { orNullAfter } from './patience.js'
import { Pause } from './pause.js'
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

/** How long to sleep while something is due that cannot be taken; longer, where it has long been so. */
const DUE_ELSEWHERE_MS = 100

/** How many entries whose turn it is to choose from, where those that nobody has begun are wanted. */
const HEADS_IN_SIGHT = 64

const WORK = 'there may be work'

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
  /** The `serializeKey`s that this process is acting for. */
  readonly #turns = new Set<string>()
  /** After taking something in its turn failed: the lease service or the journal is in trouble, whichever key is next. */
  readonly #turnPause: Pause
  readonly #budget: Budget<Tx>
  readonly #lostHandlers: LostHandlers<Tx>
  /** Effects carried to their outcome here whose handlers have not run yet. */
  #unsettled = 0
  /** Tells a loop that has no place free that something has ended. */
  #tellEnd: () => void = () => undefined
  /** Whether effects of this process have to wait for their turn. */
  readonly #hasTurns: boolean
  readonly #stopping = new AbortController()
  /** Whether there was an effect, when last looked, of which nothing might be taken. */
  #isHeldBack = false
  readonly #catchUp: CatchUp
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
    this.#turnPause = new Pause(core.context, JOURNAL_RETRY)
    this.#budget = new Budget(core.context, this.#terms, options.concurrency)
    this.#lostHandlers = new LostHandlers(core, {
      terms: this.#terms,
      stopping: this.#stopping.signal,
      onNothingLeft: () => this.#lookNow(),
    })
    this.#catchUp = new CatchUp(core.context.clock)
    this.#hasTurns = [...effects.values()].some((effect) => effect.serializeBy !== undefined)
  }

  /** Looks at the journal once, so that a journal that cannot be used is known at once, and then goes on by itself. */
  async start(): Promise<void> {
    await this.#core.context.journal.nextDueInMs(this.#terms)
    // Stopped meanwhile: nobody would end what begins now.
    if (this.#stopping.signal.aborted) return
    this.#unsubscribe = this.#core.context.journal.subscribe(() => this.wake())
    this.#stopping.signal.addEventListener('abort', () => this.#lookNow(), { once: true })
    this.#looping = this.#loop()
  }

  /** Takes nothing more, and resolves when what was taken has come to where its lease is given back. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#unsubscribe()
    await this.#looping
    await this.#lostHandlers.stopped()
    await Promise.allSettled(this.#underWay)
  }

  /** Something may be due: look now, and often for a while. */
  wake(): void {
    this.#noteActivity()
    this.#lookNow()
  }

  /**
   * Begins effects that are enqueued here in a transaction of their own, in that same commit: a dispatcher that has
   * nothing else to do would only claim what it has just written, and need a second commit for it.
   *
   * Null, and nothing is begun, where they have to wait for their turn, for a place or for their service, or where others
   * have waited for longer: whoever begins at once may not keep those waiting. And where a doubt can only be parked: were
   * the answer of the database lost, nobody could know any more that nothing was sent.
   */
  async begin(effect: RuntimeEffect<Tx>, intents: readonly Intent[]): Promise<readonly Begun[] | null> {
    if (effect.serializeBy !== undefined || effect.capabilities.doubt === 'park') return null
    if (this.#freeFor(effect) < intents.length) return null
    if (this.#isHeldBack || !(await this.#catchUp.soon())) return null
    // Places may have been taken meanwhile.
    if (this.#freeFor(effect) < intents.length) return null
    return Promise.all(intents.map((each) => this.#begin(effect, each)))
  }

  #freeFor(effect: RuntimeEffect<Tx>): number {
    return this.#stopping.signal.aborted ? 0 : Math.min(this.#freePlaces(), this.#budget.freeOf(effect))
  }

  #begin(effect: RuntimeEffect<Tx>, intent: Intent): Promise<Begun> {
    return new Promise((resolve, reject) => {
      this.#take({ effect: effect.name }, async () => {
        const askedAtMs = this.#core.context.clock.monotonicMs()
        const callComesOrNot = this.#budget.expectCall(effect)
        const begun = await this.#core.begin({ intent, terms: this.#core.newTerms(effect) }).catch(reject)
        callComesOrNot()
        if (begun === undefined) return
        resolve(begun)
        if (begun.created) await this.#carry(effect, begun, askedAtMs)
      })
    })
  }

  // With a reason: without one, each abort makes a DOMException, with its stack.
  #lookNow(): void {
    this.#wake.abort(WORK)
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
    if (this.#freePlaces() <= 0) {
      const ended = this.#nextEnd()
      if (this.#catchUp.isCaughtUp && this.#mayLookAside()) await this.#lookForOthers()
      if (this.#lostHandlers.mayLook()) await this.#lostHandlers.take()
      const { clock } = this.#core.context
      await orNullAfter(ended, { clock, delayMs: LOOK_ASIDE_MS, signal: this.#stopping.signal })
      return 0
    }
    const { taken, tried, isCaughtUp } = await this.#look()
    const settled = taken + tried === 0 || this.#lostHandlers.mayLook() ? await this.#lostHandlers.take() : 0
    if (taken + settled > 0) this.#noteActivity()
    if (tried + settled > 0 || (taken > 0 && !isCaughtUp)) return 0
    // It got fewer than it asked for: more can be due soon, but is not yet.
    return taken > 0 ? FIRST_POLL_MS : this.#idleMs()
  }

  async #look(): Promise<{ readonly taken: number; readonly tried: number; readonly isCaughtUp: boolean }> {
    this.#catchUp.look()
    const free = this.#freePlaces()
    let isCaughtUp = false
    let taken = 0
    let tried = 0
    try {
      let leavesNothing = this.#budget.heldBack().length === 0
      for (const share of this.#budget.shares(free)) {
        const limit = Math.min(free - taken, share.free())
        const claimed = await this.#takeDue(share, limit)
        leavesNothing &&= claimed < limit
        taken += claimed
      }
      // Whether it is the turn of these shows when they are taken; another process may be acting for their key.
      if (this.#hasTurns || this.#mayLookAside()) {
        for (const share of this.#budget.shares(free - taken))
          tried += await this.#takeHeads(share, free - taken - tried)
        this.#lookedAsideAtMs = this.#core.context.clock.monotonicMs()
      }
      isCaughtUp = leavesNothing
    } finally {
      this.#catchUp.looked(isCaughtUp)
    }
    return { taken, tried, isCaughtUp }
  }

  #freePlaces(): number {
    return this.#options.concurrency - this.#underWay.size - this.#waitForHandlers()
  }

  /**
   * Effects that keep their place though their outcome is written: their handlers wait for one of their own. Calls that
   * are made faster than the handlers can follow help nobody, and whatever waits here is lost with the process. But
   * handlers that hang keep no effect from being made.
   */
  #waitForHandlers(): number {
    return this.#core.handlers.areMoving ? Math.max(0, this.#unsettled - SETTLEMENTS_AT_ONCE) : 0
  }

  /** Resolves when an effect has come to where its lease is given back, or has been settled. */
  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#tellEnd = resolve
    })
  }

  /** What begins at once could fill every place that gets free, for ever: whatever is due by then comes first. */
  async #lookForOthers(): Promise<void> {
    const nextMs = await this.#core.context.journal.nextDueInMs(this.#terms)
    if (nextMs !== null && nextMs <= 0) this.#catchUp.fallBehind()
    this.#lookedAsideAtMs = this.#core.context.clock.monotonicMs()
  }

  /** An entry has a `serializeKey` whose effect has none any more only after a change of the program. */
  #mayLookAside(): boolean {
    return this.#core.context.clock.monotonicMs() - this.#lookedAsideAtMs >= LOOK_ASIDE_MS
  }

  async #takeDue(share: Share, limit: number): Promise<number> {
    const { journal, clock } = this.#core.context
    if (limit <= 0) return 0
    const askedAtMs = clock.monotonicMs()
    const answered = this.#budget.ask(share, limit)
    const claimed = await journal.claimDue(share.terms, limit, share.first).finally(answered)
    for (const seen of claimed) this.#take(seen.entry, (effect) => this.#carry(effect, seen, askedAtMs))
    return claimed.length
  }

  async #takeHeads({ terms, free, first }: Share, places: number): Promise<number> {
    const limit = Math.min(places, free())
    if (limit <= 0 || !this.#turnPause.isOver) return 0
    // Begun ones stand first; where fresh ones are wanted, they are behind them.
    const inSight = first === 'fresh' ? Math.max(limit, HEADS_IN_SIGHT) : limit
    const heads = this.#notUnderWay(await this.#core.context.journal.heads(terms, inSight)).slice(-limit)
    for (const head of heads) this.#take(head, (effect) => this.#carryInTurn(effect, head), { thenLooks: true })
    return heads.length
  }

  /** How long nothing more can be expected to be taken. */
  async #idleMs(): Promise<number> {
    const heldBack = this.#budget.heldBack()
    this.#isHeldBack = heldBack.length > 0
    const open = this.#terms.filter((terms) => !heldBack.some((held) => held.terms === terms))
    const nextMs = open.length === 0 ? null : await this.#core.context.journal.nextDueInMs(open)
    const waits = heldBack.map(({ waitMs }) => Math.ceil(waitMs)).filter((waitMs) => waitMs > 0)
    const quietMs = this.#core.context.clock.monotonicMs() - this.#activeAtMs
    // Due and yet not to be had: its turn has not come, others have it in hand, or its handler is not known here. Looking
    // at once would find the same.
    if (nextMs !== null) waits.push(nextMs > 0 ? Math.max(1, nextMs) : Math.max(DUE_ELSEWHERE_MS, quietMs / 10))
    return Math.min(this.#options.pollMs, Math.max(FIRST_POLL_MS, Math.ceil(quietMs)), ...waits)
  }

  #take(
    entry: { readonly effect: string },
    work: (effect: RuntimeEffect<Tx>) => Promise<unknown>,
    { thenLooks } = { thenLooks: false },
  ): void {
    const { hooks, effects } = this.#core.context
    const effect = effects.get(entry.effect)
    if (effect === undefined) return
    const giveBack = this.#budget.take(effect)
    const end = (): void => {
      giveBack()
      this.#underWay.delete(underWay)
      this.#tellEnd()
      // Whatever was held back may have a place now, and whatever waited for a turn may have it.
      if (this.#isHeldBack || thenLooks) this.#lookNow()
    }
    const underWay = work(effect).then(end, (error: unknown) => {
      tell(() => hooks.onError?.(error))
      end()
    })
    this.#underWay.add(underWay)
  }

  async #carry(effect: RuntimeEffect<Tx>, { entry, nowMs }: Seen, askedAtMs: number): Promise<void> {
    const carried = await this.#core.carry(effect, { entry, nowMs, askedAtMs, keepsLimits: true })
    if (carried === null || carried.settlement === null) return
    this.#unsettled++
    void carried.settlement.finally(() => {
      this.#unsettled--
      this.#tellEnd()
    })
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
        await this.#carry(effect, claimed, askedAtMs)
        this.#noteActivity()
        return true
      })
      callComesOrNot()
      this.#turnPause.noteSuccess()
      // Another process acts for this key: look again in a while, not in a tight loop.
      if (taken !== true) await context.clock.sleep(LOOK_FOR_TURN_MS, this.#stopping.signal)
    } catch (error) {
      this.#turnPause.noteFailure()
      throw error
    } finally {
      callComesOrNot()
      this.#turns.delete(turn)
    }
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
