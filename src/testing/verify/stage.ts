import type { RuntimeEffect } from '../../engine/index.js'
import { type Prepared, prepare } from '../../engine/prepare.js'
import { MemoryJournal } from '../../journal/memory/index.js'
import type { Call, Capabilities, Entry } from '../../protocol/index.js'
import type { SeenRequest, WatchedCall } from './observed.js'
import { StageClock } from './stage-clock.js'
import type { Subject } from './subject.js'
import { identityOf, succeeded } from './wire.js'
import { type Ground, StageWorker } from './worker.js'

/** How a stage departs from what the effect declares. */
export interface StageOptions {
  /** Doubts are ended by look-up alone, as after the key's window. */
  readonly byFindAlone?: boolean
  /** The calls' time; for scenes in which it really passes. */
  readonly timeoutMs?: number
}

/** The user's code hangs for as long, with nothing in its way: then its deadline comes. */
const STUCK_MS = 4_000
/** Before it is known how slow the fake is. */
const STUCK_AT_FIRST_MS = 30_000
/** No scene of an engine that lives takes longer. */
const LONGEST_MS = 60_000
/** What has no reason to wait has happened by then. */
const SOON_MS = 10_000

/** One input, one journal and a clock of its own: where one thing is broken at one point. */
export class Stage implements Ground {
  readonly subject: Subject
  readonly input: unknown
  readonly clock: StageClock
  readonly journal: MemoryJournal
  readonly workers: StageWorker[] = []
  readonly #options: StageOptions
  #prepared: Prepared | null = null
  #answered = 0
  #lastAnswerAtMs = Number.NEGATIVE_INFINITY

  constructor(subject: Subject, options: StageOptions = {}) {
    this.subject = subject
    this.input = subject.newInput()
    this.clock = new StageClock(subject.real)
    this.journal = new MemoryJournal({ clock: this.clock })
    this.#options = options
  }

  /** A worker with a proxy of its own, that listens. */
  async worker(): Promise<StageWorker> {
    const worker = await StageWorker.start(this, (effect) => this.#departing(effect))
    this.workers.push(worker)
    this.#prepared ??= await prepare(worker.effect, this.subject.namespace, this.input, 1)
    return worker
  }

  #departing(effect: RuntimeEffect<never>): Pick<RuntimeEffect<never>, 'capabilities' | 'leaseMs'> {
    const { byFindAlone, timeoutMs } = this.#options
    const limits = { ...effect.capabilities.limits, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
    const declared: Capabilities = { ...effect.capabilities, limits }
    const byFind = byFindAlone === true && 'find' in declared
    return {
      capabilities: byFind ? { doubt: 'find', find: declared.find, limits } : declared,
      leaseMs: effect.leaseMs - effect.capabilities.limits.timeoutMs + limits.timeoutMs,
    }
  }

  /** What the engine will send it under; there is one once there is a worker. */
  get prepared(): Prepared {
    if (this.#prepared === null) throw new Error('A stage without a worker has prepared nothing.')
    return this.#prepared
  }

  /** A call as the engine makes one, for asking the user's functions directly. */
  async directCall(signal: AbortSignal, remainingMs: number): Promise<Call> {
    const { namespace, effect, key, generation, reference } = this.prepared.intent
    const entry = await this.entry()
    const { firstSentAtMs, lastDeadlineAtMs } = entry ?? { firstSentAtMs: null, lastDeadlineAtMs: null }
    const identity = { namespace, effect, key, generation, reference, attempt: Math.max(1, entry?.attempts ?? 1) }
    return { ...identity, firstSentAtMs, lastDeadlineAtMs, signal, remainingMs: () => remainingMs }
  }

  /** The entry as it stands; null where nothing has begun. */
  async entry(): Promise<Entry | null> {
    const [seen] = await this.journal.read([this.prepared.intent.id])
    return seen?.entry ?? null
  }

  /** Every call of `execute`, of all workers. */
  executes(): WatchedCall[] {
    return this.workers.flatMap(({ watch }) => watch.executes())
  }

  finds(): WatchedCall[] {
    return this.workers.flatMap(({ watch }) => watch.finds())
  }

  requests(): SeenRequest[] {
    return this.workers.flatMap(({ gate }) => gate.requests)
  }

  effectful(): SeenRequest[] {
    return this.requests().filter(({ effectful }) => effectful)
  }

  /** How often the effect happened, by the fake's books or, without them, by its answers. */
  async count(): Promise<number> {
    const { service } = this.subject
    const effect = this.workers[0]?.effect
    if (service.count !== undefined) return service.count(this.prepared.intent.key, this.prepared.intent.effect)
    const made = this.effectful().flatMap(({ answer }) => (succeeded(answer) ? [identityOf(answer)] : []))
    const ids = new Set(made.map(({ value }) => value))
    // A service that honours keys answers a repeated request as the first. Of any other, each success is one more.
    const distinct = effect !== undefined && 'key' in effect.capabilities
    return distinct || made.every(({ by }) => by === 'id') ? ids.size : made.length
  }

  /** Whether a call of the user's runs, a request is with the fake, or the engine has a next step to take. */
  get #busy(): boolean {
    return this.clock.turning || this.workers.some((worker) => worker.alive && (worker.watch.busy || worker.gate.busy))
  }

  /** Whether a call's time is over, and its function has a moment to stop in. */
  get #givenUp(): boolean {
    return this.workers.some(({ alive, watch }) => alive && watch.givenUp)
  }

  /**
   * Lets time pass until `done`: whenever nobody works, up to the next thing that is due. False: it was not done within
   * any time that makes sense.
   */
  async toRest(done: Promise<unknown>): Promise<boolean> {
    const { real } = this.subject
    const giveUpAtMs = real.monotonicMs() + LONGEST_MS
    let over = false
    const end = (): void => {
      over = true
    }
    done.then(end, end)
    let busySinceMs = real.monotonicMs()
    while (real.monotonicMs() < giveUpAtMs) {
      await real.sleep(1)
      if (over) return true
      if (!this.#busy) await this.#passToNext()
      else if (real.monotonicMs() - busySinceMs > this.#stuckMs) this.clock.jump(this.clock.nextInMs() ?? 0)
      if (!this.#busy) busySinceMs = real.monotonicMs()
    }
    return false
  }

  get #stuckMs(): number {
    const { callMs } = this.subject.facts
    return callMs === 0 ? STUCK_AT_FIRST_MS : Math.max(STUCK_MS, 5 * callMs)
  }

  /** The value of `promise`; null where it does not come in any time that makes sense. */
  soon<T>(promise: Promise<T>): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const disarm = this.subject.real.schedule(SOON_MS, () => resolve(null))
      promise.then(resolve, reject).finally(disarm)
    })
  }

  /**
   * Waits until the engine has written down what came of its call, and the entry is in doubt or at rest. No time passes
   * for it, but for what a function that does not stop is given to stop in.
   */
  async untilRecorded(): Promise<void> {
    const { real } = this.subject
    const giveUpAtMs = real.monotonicMs() + STUCK_MS
    for (;;) {
      const state = (await this.entry())?.state
      if ((state !== undefined && state !== 'executing') || real.monotonicMs() > giveUpAtMs) return
      if (this.#givenUp) this.clock.jump(this.clock.nextInMs() ?? 0)
      await real.sleep(1)
    }
  }

  /** Lets the engine go on until nothing is due before `atMs` on the stage's clock, and then until then. */
  async passUntil(atMs: number): Promise<void> {
    const { real } = this.subject
    for (;;) {
      await real.sleep(1)
      if (this.#busy) continue
      const leftMs = atMs - this.clock.monotonicMs()
      if (leftMs <= 0) return
      const dueInMs = this.#dueInMs(await this.entry()) ?? leftMs
      await this.pass(Math.min(leftMs, Math.max(1, dueInMs)))
    }
  }

  async #passToNext(): Promise<void> {
    const entry = await this.entry()
    // Until it has begun, nothing is due but the end of the caller's patience.
    if (entry === null) return
    const dueInMs = this.#dueInMs(entry) ?? this.clock.nextInMs()
    if (dueInMs !== null) await this.pass(Math.max(1, dueInMs))
  }

  /** Until somebody may act on the entry, by the journal's clock; null where nothing is to come. */
  #dueInMs(entry: Entry | null): number | null {
    if (this.#givenUp) return this.clock.nextInMs()
    if (entry === null || (entry.dueAtMs === null && entry.leaseUntilMs === null)) return null
    const nowMs = this.clock.wallMs()
    const dueInMs = Math.max(entry.dueAtMs ?? nowMs, entry.leaseUntilMs ?? nowMs) - nowMs
    return dueInMs > 0 ? dueInMs + 1 : this.clock.nextInMs()
  }

  /** Lets time pass at once, but not faster than the fake's look-up can follow. */
  async pass(ms: number): Promise<void> {
    const { real, facts } = this.subject
    this.#noteAnswers()
    const lagLeftMs = this.#lastAnswerAtMs + facts.lagMs - real.monotonicMs()
    if (lagLeftMs > 0) await real.sleep(Math.min(ms, lagLeftMs))
    this.clock.jump(ms)
  }

  #noteAnswers(): void {
    const answered = this.effectful().filter(({ answer }) => answer !== null).length
    if (answered > this.#answered) this.#lastAnswerAtMs = this.subject.real.monotonicMs()
    this.#answered = answered
  }

  async close(): Promise<void> {
    for (const worker of this.workers) await worker.close()
  }
}
