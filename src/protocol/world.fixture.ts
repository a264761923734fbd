import {
  begin,
  type Capabilities,
  type Change,
  type Entry,
  type Event,
  type FindResult,
  type FindStep,
  isAtRest,
  isHeldBy,
  type Outcome,
} from './index.js'
import { Person } from './person.fixture.js'
import { Broken, type Protocol, type Rule, type Watch } from './protocol.fixture.js'
import { intent, WHY } from './samples.fixture.js'
import { type Fate, type Sent, Service } from './service.fixture.js'

export interface Move {
  readonly worker: number
  /**
   * How long nothing happens before it; or until exactly when this worker can go on, the lease runs out, an absence
   * begins to prove, the key's window closes.
   */
  readonly wait: number | 'next' | 'lease' | 'proof' | 'window'
  /**
   * `crash`: the worker dies and another takes its place. `late_copy`: a copy of the last write arrives only now.
   * `resume`: no worker, but a person who has it tried again if it is parked, goes on; or in vain, if it cannot ask.
   */
  readonly act: 'go' | 'crash' | 'redeliver' | 'late_copy' | 'cannot_ask' | 'resume' | 'resume_in_vain'
  readonly fate: Fate
}

export const TIMEOUT_MS = 10
export const LEASE_MS = 12
const RETRY_MS = 3
const START_MS = 1_000

const BENIGN: Fate = {
  kind: 'done',
  arrivesInMs: 1,
  commitsInMs: 0,
  showsInMs: 0,
  answersInMs: 2,
  answerArrives: true,
  happens: true,
}

/** What a worker knows and is about to do. It may stop for any time between two of its moves. */
type Work =
  | { readonly at: 'idle' }
  | { readonly at: 'holding'; readonly entry: Entry; readonly nowMs: number; readonly deadlineMs: number }
  | { readonly at: 'calling'; readonly entry: Entry; readonly call: Sent }
  | {
      readonly at: 'answered'
      readonly entry: Entry
      readonly asked: FindStep
      readonly askedAtMs: number
      readonly result: FindResult
    }

interface Worker {
  owner: string
  work: Work
}

/** A call that was allowed, as the world saw it, whatever the journal says. */
interface Allowed {
  untilMs: number
}

interface SentWrite {
  readonly entry: Entry
  readonly owner: string
  readonly change: Change
}

/**
 * One effect, three workers, one clock, one service: everything that happens is decided by the protocol and by the
 * moves. The world keeps its own books, and compares them with the rules at every move.
 */
export class World {
  nowMs = START_MS
  entry: Entry | null = null
  readonly service: Service
  readonly #protocol: Protocol
  readonly #watch: Watch
  readonly #capabilities: Capabilities
  readonly #workers: Worker[]
  readonly #person: Person
  #names = 0
  #firstAllowedAtMs: number | null = null
  /** Calls that may have happened: not known to be void, and not proven absent. */
  #open: Allowed[] = []
  #lastWrite: SentWrite | null = null
  #restedAs: Entry | null = null

  constructor(capabilities: Capabilities, protocol: Protocol, watch: Watch) {
    this.#capabilities = capabilities
    this.#watch = watch
    this.#protocol = protocol
    this.service = new Service(capabilities)
    this.#workers = [0, 1, 2].map(() => ({ owner: this.#newName(), work: { at: 'idle' } }))
    this.#person = new Person(protocol, {
      capabilities,
      entry: () => this.entry,
      nowMs: () => this.nowMs,
      find: () => this.service.find(this.nowMs),
      openUntilMs: () => Math.max(...this.#open.map(({ untilMs }) => untilMs)),
      put: (entry) => this.#resumed(entry),
      cry: (rule, what) => this.#cry(rule, what),
    })
  }

  /** Plays the moves, then lets everything come to rest without further faults. */
  play(moves: readonly Move[]): void {
    for (const move of moves) this.#move(move)
    this.#comeToRest()
  }

  #move({ worker: i, wait, act, fate }: Move): void {
    const worker = this.#workers[i % this.#workers.length]
    if (worker === undefined) return
    this.#wait(worker, wait)
    if (act === 'crash') Object.assign(worker, { owner: this.#newName(), work: { at: 'idle' } })
    else if (act === 'redeliver') this.#redeliver(worker)
    else if (act === 'late_copy') this.#lateCopy()
    else if (act === 'resume' || act === 'resume_in_vain') this.#person.act(act === 'resume_in_vain')
    else this.#go(worker, fate, act === 'cannot_ask')
    this.#checkBooks()
  }

  #wait(worker: Worker, wait: Move['wait']): void {
    this.nowMs = Math.max(this.nowMs, this.#momentOf(worker, wait) ?? this.nowMs)
    this.service.advanceTo(this.nowMs)
  }

  #momentOf({ work }: Worker, wait: Move['wait']): number | null {
    if (typeof wait === 'number') return this.nowMs + wait
    if (wait === 'next' && work.at === 'calling') return work.call.endsAtMs
    const { entry } = this
    if (entry === null) return null
    switch (wait) {
      case 'next':
        return work.at === 'idle' && entry.owner === null ? entry.dueAtMs : null
      case 'lease':
        return entry.leaseUntilMs
      case 'proof':
        return (entry.lastDeadlineAtMs ?? 0) + this.#settlesWithinMs()
      case 'window':
        return (entry.firstSentAtMs ?? 0) + this.#safeForMs() - TIMEOUT_MS
    }
  }

  #go(worker: Worker, fate: Fate, cannotAsk: boolean): void {
    const { work } = worker
    if (work.at === 'idle') this.#take(worker)
    else if (work.at === 'answered') this.#answered(worker, work)
    else if (work.at === 'holding' && work.entry.state === 'executing') this.#send(worker, work, fate)
    else if (work.at === 'holding') this.#resolve(worker, work, cannotAsk)
    else if (this.nowMs >= work.call.endsAtMs) {
      this.#ended(worker, work.entry, work.call.outcome(), work.call.callOver)
    }
  }

  #take(worker: Worker): void {
    const terms = { owner: worker.owner, leaseMs: LEASE_MS, timeoutMs: TIMEOUT_MS }
    if (this.entry === null) this.entry = begin(intent(), terms, this.nowMs)
    else if (this.#protocol.isClaimable(this.entry, this.nowMs)) {
      this.#checkNobodyHolds()
      this.entry = this.#protocol.claim(this.entry, terms, this.nowMs)
    } else return
    this.#hold(worker, this.entry, this.nowMs + TIMEOUT_MS)
  }

  #hold(worker: Worker, entry: Entry, deadlineMs: number): void {
    worker.work = { at: 'holding', entry, nowMs: this.nowMs, deadlineMs }
    if (entry.state !== 'executing') return
    this.#firstAllowedAtMs ??= this.nowMs
    this.#open.push({ untilMs: this.nowMs + TIMEOUT_MS })
  }

  #send(worker: Worker, work: Work & { at: 'holding' }, fate: Fate): void {
    const { entry, deadlineMs } = work
    if (this.nowMs >= deadlineMs) {
      this.#ended(worker, entry, { kind: 'not_executed', reason: WHY, retryAfterMs: null }, true)
      return
    }
    this.#checkCall(worker, deadlineMs)
    worker.work = { at: 'calling', entry, call: this.service.send(this.nowMs, deadlineMs, fate) }
  }

  #ended(worker: Worker, entry: Entry, outcome: Outcome, callOver: boolean): void {
    const applied = this.#write(worker, entry, {
      type: 'attempt_ended',
      outcome,
      callOver,
      retryInMs: RETRY_MS,
      maxAttempts: this.#capabilities.limits.maxAttempts,
      patienceMs: this.#capabilities.limits.patienceMs,
    })
    if (!applied) return
    if (outcome.kind === 'not_executed' || outcome.kind === 'rejected') this.#open.pop()
    const last = this.#open.at(-1)
    if (outcome.kind === 'unknown' && callOver && last !== undefined) last.untilMs = Math.min(last.untilMs, this.nowMs)
  }

  #resolve(worker: Worker, work: Work & { at: 'holding' }, cannotAsk: boolean): void {
    const { entry } = work
    const step = this.#protocol.decide(entry, this.#capabilities, work.nowMs)
    if (step.do === 'execute') this.#callAgain(worker, entry, 'key', work.deadlineMs)
    else if (step.do === 'park') this.#write(worker, entry, { type: 'parked', reason: step.reason, knownAbsent: false })
    else if (step.do === 'find') {
      const result = cannotAsk ? ({ kind: 'could_not_ask', reason: WHY } as const) : this.service.find(this.nowMs)
      worker.work = { at: 'answered', entry, asked: step, askedAtMs: this.nowMs, result }
    } else throw new Broken('truth', `a holder in doubt was told to ${step.do}`)
  }

  #answered(worker: Worker, { entry, asked, askedAtMs, result }: Work & { at: 'answered' }): void {
    const { limits } = this.#capabilities
    // As a rate limit does it: now and then.
    const heldBackMs = askedAtMs % 3 === 0 ? RETRY_MS : 0
    const terms = { limits, leaseMs: LEASE_MS, retryInMs: RETRY_MS, heldBackMs, askedAtMs }
    const event = this.#protocol.resolveByFind(entry, asked, result, terms)
    const goesOn = event.type === 'attempt_started' || event.type === 'found_absent'
    const believed = goesOn || (event.type === 'parked' && event.knownAbsent)
    if (believed) this.#checkAbsence(worker, entry, result, askedAtMs)
    if (event.type === 'attempt_started') this.#callAgain(worker, entry, 'absence', this.nowMs + TIMEOUT_MS)
    else this.#write(worker, entry, event)
  }

  #callAgain(worker: Worker, entry: Entry, proof: 'key' | 'absence', deadlineMs: number): void {
    const started: Event = { type: 'attempt_started', proof, leaseMs: LEASE_MS, timeoutMs: TIMEOUT_MS }
    if (this.#write(worker, entry, started) && this.entry !== null) this.#hold(worker, this.entry, deadlineMs)
  }

  #write(worker: Worker, entry: Entry, event: Event): boolean {
    const change = this.#protocol.transition(entry, event)
    this.#lastWrite = { entry, owner: worker.owner, change }
    worker.work = { at: 'idle' }
    return this.#apply(this.#lastWrite)
  }

  #apply({ entry, owner, change }: SentWrite): boolean {
    const row = this.entry
    if (row === null) return false
    const holds = row.fence === entry.fence && row.owner === owner
    if (!this.#protocol.isHeldBy(row, { owner, fence: entry.fence })) return false
    if (!holds) this.#cry('P2', `${owner} wrote under fence ${entry.fence}, but ${row.owner} holds ${row.fence}`)
    this.entry = this.#protocol.enact(row, change, this.nowMs)
    return true
  }

  #lateCopy(): void {
    if (this.#lastWrite !== null) this.#apply(this.#lastWrite)
  }

  #redeliver(worker: Worker): void {
    if (this.entry === null) return
    const terms = { owner: worker.owner, leaseMs: LEASE_MS, timeoutMs: TIMEOUT_MS }
    this.entry = this.#protocol.redeliver(this.entry, terms, this.nowMs)
  }

  /** The one way back from where it was at rest; what may have happened was ruled out, or it is in doubt still. */
  #resumed(entry: Entry): void {
    this.entry = entry
    this.#restedAs = null
    if (entry.state !== 'in_doubt') this.#open = []
  }

  #comeToRest(): void {
    const [worker] = this.#workers
    if (worker === undefined) return
    // A little longer than a lease each time, so that whoever is lost is taken over.
    for (let i = 0; i < 200 && !(this.entry !== null && isAtRest(this.entry.state)); i++) {
      this.#move({ worker: 0, wait: i % 4 === 3 ? 'lease' : 2, act: 'go', fate: BENIGN })
    }
    for (let i = 0; i < this.#workers.length * 3; i++) this.#move({ worker: i, wait: 100, act: 'go', fate: BENIGN })
    if (this.entry === null || !isAtRest(this.entry.state)) throw new Broken('P9', `it stays ${this.entry?.state}`)
    this.#checkTruth(this.entry)
  }

  #checkNobodyHolds(): void {
    const holder = this.entry
    if (holder?.owner != null && holder.leaseUntilMs !== null && holder.leaseUntilMs > this.nowMs) {
      this.#cry('P2', `${holder.owner} holds it until ${holder.leaseUntilMs}, and it was taken at ${this.nowMs}`)
    }
  }

  /** Immediately before a call leaves. */
  #checkCall(worker: Worker, deadlineMs: number): void {
    const row = this.entry
    if (row?.state !== 'executing' || row.owner !== worker.owner) {
      this.#cry('P1', `${worker.owner} sends, and the journal says ${row?.state} of ${row?.owner}`)
    }
    if ((row?.leaseUntilMs ?? 0) < deadlineMs) this.#cry('P3', 'the call ends after the lease')
    if ((row?.lastDeadlineAtMs ?? 0) < deadlineMs) this.#cry('P1', 'the deadline is not in the journal')
    if ((row?.firstSentAtMs ?? Number.POSITIVE_INFINITY) > this.nowMs) this.#cry('P1', 'the first send is not')
    const safeUntilMs = (this.#firstAllowedAtMs ?? 0) + this.#safeForMs()
    if (this.#open.length > 1 && deadlineMs >= safeUntilMs) {
      const earlier = `${this.#open.length - 1} earlier calls may have happened`
      this.#cry('P4a', `${earlier}, the key is safe until ${safeUntilMs}, and the call ends at ${deadlineMs}`)
    }
  }

  /** Where an absence is believed: was it asked for, and late enough? Then nothing earlier can have happened. */
  #checkAbsence(worker: Worker, entry: Entry, result: FindResult, askedAtMs: number): void {
    if (result.kind !== 'absent') this.#cry('P5', `${result.kind} was taken for an absence`)
    if (this.entry === null || !isHeldBy(this.entry, { owner: worker.owner, fence: entry.fence })) return
    const visibleUntilMs = Math.max(...this.#open.map(({ untilMs }) => untilMs)) + this.#settlesWithinMs()
    if (askedAtMs <= visibleUntilMs) {
      this.#cry('P4b', `absence asked at ${askedAtMs}, and an earlier call may show until ${visibleUntilMs}`)
    }
    this.#open = []
  }

  #checkBooks(): void {
    if (this.service.operations.length > 1) throw new Broken('once', 'two operations live at the service')
    if (this.#restedAs !== null && this.entry !== this.#restedAs) {
      this.#cry('P6', `it was ${this.#restedAs.state} and is ${this.entry?.state}`)
    }
    if (this.entry !== null && isAtRest(this.entry.state)) this.#restedAs = this.entry
  }

  #checkTruth(entry: Entry): void {
    const happened = this.service.operations.length === 1
    const told = entry.state === 'succeeded'
    const knownNot = entry.state === 'failed' || (entry.state === 'parked' && entry.inDoubtSinceMs === null)
    if (told && !happened) throw new Broken('truth', 'it is recorded as executed, and it never happened')
    if (knownNot && happened) throw new Broken('truth', `it happened, and it is ${entry.state} as if it had not`)
  }

  #cry(rule: Rule, what: string): void {
    if (this.#watch === 'every rule') throw new Broken(rule, what)
  }

  #newName(): string {
    return `worker-${++this.#names}`
  }

  #settlesWithinMs(): number {
    return 'find' in this.#capabilities ? this.#capabilities.find.settlesWithinMs : 0
  }

  /** 0 where the service honours no key: nothing is safe by it. */
  #safeForMs(): number {
    return 'key' in this.#capabilities ? this.#capabilities.key.windowMs - this.#capabilities.key.marginMs : 0
  }
}
