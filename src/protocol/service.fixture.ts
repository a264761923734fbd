import type { Capabilities, FindResult, JsonValue, Outcome } from './index.js'

/** What fate has in store for one call to the service of the model. Times count from the sending. */
export interface Fate {
  readonly kind: /** No connection: the caller knows that nothing left. */
    | 'refused'
    /** Lost on the way: nothing arrives, and nobody says so. */
    | 'lost'
    /** It arrives and is answered "not now" (429); the service has met our key. */
    | 'turned_away'
    /** It arrives and is refused for itself, by something in front that knows nothing of our key. */
    | 'barred'
    /** It arrives and is declined for good. */
    | 'declined'
    /** It arrives and fails; the error is stored under the key, and whether it happened is up to `happens`. */
    | 'failing'
    /** It arrives and happens. */
    | 'done'
  readonly arrivesInMs: number
  readonly commitsInMs: number
  readonly showsInMs: number
  readonly answersInMs: number
  /** Whether the answer gets back to the caller. */
  readonly answerArrives: boolean
  readonly happens: boolean
}

/** A call as its caller sees it end. */
export interface Sent {
  readonly endsAtMs: number
  readonly callOver: boolean
  /** Known once the service's clock has reached `endsAtMs`. */
  outcome(): Outcome
}

/** The service did it: it shows in look-ups from `showsAtMs`. */
interface Operation {
  readonly commitsAtMs: number
  readonly showsAtMs: number
}

interface KeyRecord {
  readonly prunedAtMs: number
  answer: 'none' | 'declined' | 'failing' | Operation
}

const REASON = { code: 'model', message: 'The service of the model says so.' }
const RECEIPT: JsonValue = { id: 'op' }

/**
 * A service with exactly the promises of `capabilities`, and nothing more than they promise: it prunes a key the moment
 * that its window is over, counted from when it first *met* the key, and shows an operation as late as it may.
 */
export class Service {
  readonly operations: Operation[] = []
  readonly #capabilities: Capabilities
  readonly #arrivals: { readonly atMs: number; readonly happens: () => void }[] = []
  #key: KeyRecord | null = null

  constructor(capabilities: Capabilities) {
    this.#capabilities = capabilities
  }

  send(nowMs: number, deadlineMs: number, fate: Fate): Sent {
    const endsByItself = nowMs + fate.answersInMs < deadlineMs
    const endsAtMs = endsByItself ? nowMs + fate.answersInMs : deadlineMs
    let outcome: Outcome = { kind: 'unknown', reason: REASON, keySpent: false }
    if (fate.kind === 'refused') outcome = { kind: 'not_executed', reason: REASON, retryAfterMs: null }
    else if (fate.kind !== 'lost') {
      const atMs = Math.min(nowMs + fate.arrivesInMs, endsAtMs)
      const happens = () => {
        const answered = this.#arrive(atMs, endsAtMs, fate)
        if (fate.answerArrives && endsByItself) outcome = answered
      }
      this.#arrivals.push({ atMs, happens })
      this.#arrivals.sort((one, other) => one.atMs - other.atMs)
    }
    const callOver = endsByItself || fate.kind === 'refused'
    return { endsAtMs, callOver, outcome: () => outcome }
  }

  /** Everything that arrives until then has arrived. */
  advanceTo(nowMs: number): void {
    while ((this.#arrivals[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#arrivals.shift()?.happens()
  }

  find(nowMs: number): FindResult {
    const shown = this.operations.some(({ showsAtMs }) => showsAtMs < nowMs)
    return shown ? { kind: 'present', receipt: RECEIPT, externalId: 'op' } : { kind: 'absent' }
  }

  #arrive(nowMs: number, endsAtMs: number, fate: Fate): Outcome {
    if (fate.kind === 'barred') return { kind: 'rejected', reason: REASON, settlesDoubt: false }
    const key = this.#keyAt(nowMs)
    if (fate.kind === 'turned_away') return { kind: 'not_executed', reason: REASON, retryAfterMs: null }
    if (key !== null && key.answer !== 'none') return answerOf(key.answer, nowMs)
    if (fate.kind === 'declined') {
      if (key !== null) key.answer = 'declined'
      return { kind: 'rejected', reason: REASON, settlesDoubt: key !== null }
    }
    const operation = fate.kind === 'done' || fate.happens ? this.#commit(nowMs, endsAtMs, fate) : null
    if (key !== null) key.answer = fate.kind === 'failing' || operation === null ? 'failing' : operation
    if (fate.kind === 'failing' || operation === null) {
      return { kind: 'unknown', reason: REASON, keySpent: key !== null }
    }
    return answerOf(operation, endsAtMs)
  }

  /** The record of our key: the service makes it when it meets the key, and prunes it as early as it may. */
  #keyAt(nowMs: number): KeyRecord | null {
    const { doubt } = this.#capabilities
    if (doubt !== 'key' && doubt !== 'key_and_find') return null
    if (this.#key === null || this.#key.prunedAtMs <= nowMs) {
      this.#key = { prunedAtMs: nowMs + this.#capabilities.key.windowMs, answer: 'none' }
    }
    return this.#key
  }

  #commit(nowMs: number, endsAtMs: number, fate: Fate): Operation {
    const { doubt } = this.#capabilities
    const canFind = doubt === 'find' || doubt === 'key_and_find'
    const latestMs = canFind ? endsAtMs + this.#capabilities.find.settlesWithinMs : Number.POSITIVE_INFINITY
    const commitsAtMs = Math.min(nowMs + fate.commitsInMs, latestMs)
    const operation = { commitsAtMs, showsAtMs: Math.min(commitsAtMs + fate.showsInMs, latestMs) }
    this.operations.push(operation)
    return operation
  }
}

function answerOf(answer: Exclude<KeyRecord['answer'], 'none'>, nowMs: number): Outcome {
  if (answer === 'declined') return { kind: 'rejected', reason: REASON, settlesDoubt: true }
  if (answer === 'failing') return { kind: 'unknown', reason: REASON, keySpent: true }
  return answer.commitsAtMs <= nowMs
    ? { kind: 'executed', receipt: RECEIPT, externalId: 'op' }
    : { kind: 'unknown', reason: REASON, keySpent: false }
}
