import { type Named, PLACES } from './agenda.js'
import type { Fates, Point } from './faults.js'
import type { Terms } from './scenario.js'
import type { Scene } from './scene.js'
import type { Operation, Receipt, Request } from './truth.js'

/** A call on its way, as the world knows it. */
export interface Call {
  readonly order: Request
  readonly reference: string
  /** What its answer is named by. */
  readonly asked: number
  readonly point: Point
  /** The caller's deadline, in true time. */
  readonly deadlineMs: number
  /** When it will end by itself, where that is decided already: never later than the deadline. */
  endsAtMs: number
  /** When the caller heard the end of it; null while it has not. */
  endedAtMs: number | null
}

/** What the service answers. */
export type Answer =
  | { readonly kind: 'done'; readonly receipt: Receipt }
  | { readonly kind: 'declined' }
  | { readonly kind: 'barred' }
  | { readonly kind: 'turned_away'; readonly retryAfterMs: number }
  | { readonly kind: 'in_use' }
  | { readonly kind: 'failed'; readonly stored: boolean }

/** What the service knows under an idempotency key. */
interface KeyRecord {
  readonly metAtMs: number
  answer: Answer | 'none' | 'working'
}

/**
 * The service, with exactly the promises of its terms and nothing beyond them: it forgets a key as early as it may,
 * shows an operation as late as it may, and without a key does again whatever it is asked again.
 */
export class Service {
  readonly operations: Operation[] = []
  readonly #scene: Scene
  readonly #terms: Terms
  readonly #fates: Fates
  readonly #keys = new Map<string, KeyRecord>()
  /** Calls that are on their way or being worked on. */
  readonly #coming = new Set<Call>()

  constructor(scene: Scene) {
    this.#scene = scene
    this.#terms = scene.terms
    this.#fates = scene.fates
  }

  get honoursKeys(): boolean {
    return this.#terms.doubt === 'key' || this.#terms.doubt === 'key_and_find'
  }

  /** A duplicate comes to be that nobody here asked for: an audit will find it. */
  plant(id: string, key: string): void {
    const { nowMs } = this.#scene
    const operation: Operation = {
      ...{ receipt: { id, reference: 'none', variant: 0 }, key, reference: 'none', undoes: null, isPlanted: true },
      ...{ happenedAtMs: nowMs, showsAtMs: nowMs, promisedAtMs: () => nowMs },
    }
    this.operations.push(operation)
    this.#scene.timeline?.tell('service', `has a duplicate of ${key}: ${id}`)
  }

  /** A request is on its way. */
  expect(call: Call): void {
    this.#coming.add(call)
  }

  /** A request has arrived. `reply` is called once, when the service answers it. */
  receive(call: Call, reply: (answer: Answer) => void): void {
    const answer = this.#atOnce(call)
    if (answer !== null) this.#coming.delete(call)
    if (answer !== null) {
      const named = (): string => `${call.asked} is answered: ${JSON.stringify(answer)}`
      this.#later(this.#fates.spread('work', call.point, 1, 20), named, () => reply(answer))
      return
    }
    this.#work(call, reply)
  }

  /** Everything that it knows, in one text. */
  fingerprint(): string {
    const coming = [...this.#coming].map(({ order, reference, asked, endedAtMs, endsAtMs, deadlineMs }) => {
      return [order, reference, asked, endedAtMs, endsAtMs, deadlineMs]
    })
    const done = this.operations.map((each) => ({ ...each, promisedAtMs: each.promisedAtMs() }))
    // Their order says only which came first, which nothing depends on.
    const keys = [...this.#keys].map((each) => JSON.stringify(each))
    return JSON.stringify([done, keys.sort(), coming.map((each) => JSON.stringify(each)).sort()])
  }

  /** What the reference is known for: an operation that shows already, a decline, or nothing. */
  look(reference: string): Operation | 'declined' | null {
    const shown = this.operations.find((each) => each.reference === reference && each.showsAtMs <= this.#scene.nowMs)
    if (shown !== undefined) return shown
    const answer = this.#keys.get(reference)?.answer
    const declined = typeof answer === 'object' && answer.kind === 'declined'
    return declined && this.#terms.remembersDeclines ? 'declined' : null
  }

  /** The answer that needs no work; null where the request is accepted. */
  #atOnce(call: Call): Answer | null {
    const { point } = call
    if (this.#fates.strikes('barred', point)) return { kind: 'barred' }
    const record = this.#meet(call.reference)
    if (record?.answer === 'working') return { kind: 'in_use' }
    if (record !== null && record.answer !== 'none') return record.answer
    if (this.#fates.strikes('turned_away', point)) {
      return { kind: 'turned_away', retryAfterMs: Math.floor(this.#fates.spread('fault', point, 1, 2_000)) }
    }
    if (this.#fates.strikes('declined', point)) return store(record, { kind: 'declined' })
    if (this.#fates.strikes('failed', point)) return { kind: 'failed', stored: false }
    if (this.#fates.strikes('failed_stored', point)) return store(record, { kind: 'failed', stored: record !== null })
    return null
  }

  #work(call: Call, reply: (answer: Answer) => void): void {
    const { point, order, reference } = call
    const { nowMs } = this.#scene
    const record = this.#keys.get(reference) ?? null
    const latestMs = Math.min(call.endedAtMs ?? call.endsAtMs, call.endsAtMs) + this.#terms.settlesMs
    const late = this.#fates.strikes('commit_late', point)
    const soonMs = Math.min(latestMs, nowMs + this.#fates.spread('work', point, 2, 200))
    const atMs = late ? this.#fates.upTo('fault', point, soonMs, latestMs) : soonMs
    if (record !== null) record.answer = 'working'
    this.#later(
      atMs - nowMs,
      () => `${call.asked} is done`,
      () => {
        const happenedAtMs = this.#scene.nowMs
        this.#coming.delete(call)
        const hidden = this.#fates.strikes('shows_late', point)
        const showsAtMs = hidden ? this.#fates.upTo('show', point, happenedAtMs, this.#showsBy(call)) : happenedAtMs
        const receipt = { id: `op-${this.operations.length + 1}`, reference, variant: order.variant }
        const operation = {
          receipt,
          key: order.key,
          reference,
          undoes: order.undoes,
          isPlanted: false,
          happenedAtMs,
          showsAtMs,
          promisedAtMs: () => endOf(call) + this.#terms.settlesMs,
        }
        this.operations.push(operation)
        this.#scene.timeline?.tell(
          'service',
          `${order.undoes === null ? 'does' : 'undoes'} ${order.key}: ${receipt.id}${hidden ? ', but does not show it yet' : ''}`,
        )
        this.#scene.checks.happened(operation)
        const failed = this.#fates.strikes('failed_stored_done', point)
        const answer: Answer = failed ? { kind: 'failed', stored: record !== null } : { kind: 'done', receipt }
        reply(store(record, answer))
      },
    )
  }

  /** The last moment at which look-ups may begin to show it: the call may end from now on, if it has not already. */
  #showsBy(call: Call): number {
    return Math.min(call.endedAtMs ?? this.#scene.nowMs, call.deadlineMs) + this.#terms.settlesMs
  }

  /** The record of a key: made when the service meets it, forgotten as early as it may be. */
  #meet(reference: string): KeyRecord | null {
    if (!this.honoursKeys) return null
    const { nowMs } = this.#scene
    const known = this.#keys.get(reference)
    if (known !== undefined && (known.answer === 'working' || known.metAtMs + this.#terms.prunesAfterMs > nowMs)) {
      return known
    }
    if (known !== undefined) this.#scene.timeline?.tell('service', `has forgotten the key ${short(reference)}`)
    const record: KeyRecord = { metAtMs: nowMs, answer: 'none' }
    this.#keys.set(reference, record)
    return record
  }

  #later(delayMs: number, named: Named, happen: () => void): void {
    this.#scene.agenda.at(this.#scene.nowMs + delayMs, true, happen, PLACES.service, named)
  }
}

/** When a call was over: it ended by itself, or at its deadline at the latest. */
function endOf({ endedAtMs, deadlineMs }: Call): number {
  return Math.min(endedAtMs ?? deadlineMs, deadlineMs)
}

function store(record: KeyRecord | null, answer: Answer): Answer {
  if (record !== null) record.answer = answer
  return answer
}

/** The end of a reference: enough to tell references apart in a timeline. */
export function short(reference: string): string {
  return `…${reference.slice(-5)}`
}
