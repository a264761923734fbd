import type { Clock } from '../../system/index.js'
import { ApiError } from './errors.js'
import { canonicalForm, decodeForm } from './form.js'
import type { Json } from './render.js'

/** A response that is stored under a key. */
export interface StoredReply {
  readonly requestId: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The value of the body, the same every time. */
  readonly render: () => Json
}

interface Entry {
  readonly path: string
  readonly rawBody: string
  readonly firstUsedMs: number
  reply: StoredReply | null
}

/** How a request with a key begins: it runs and must then be settled, or it gets the stored response. */
export type KeyedStart =
  | { readonly kind: 'replay'; readonly reply: StoredReply }
  | { readonly kind: 'run'; readonly settle: (reply: StoredReply) => void; readonly release: () => void }

const LONGEST_KEY = 255

/**
 * The idempotency keys of one account, as https://docs.stripe.com/api/idempotent_requests says: the first response of
 * a key is stored, whether it succeeded or failed; other parameters are an error; a request under way is a conflict;
 * keys are pruned when they are older than the window.
 */
export class KeyStore {
  readonly #entries = new Map<string, Entry>()
  readonly #clock: Clock
  readonly #windowMs: () => number

  constructor(clock: Clock, windowMs: () => number) {
    this.#clock = clock
    this.#windowMs = windowMs
  }

  /**
   * @throws {ApiError} 400 if the key is too long, 400 `idempotency_error` if it was used with another path or other
   *   parameters, 409 `idempotency_key_in_use` while its first request is under way.
   */
  start(key: string, path: string, rawBody: string): KeyedStart {
    if (key.length > LONGEST_KEY) throw keyTooLong(key)
    const nowMs = this.#clock.monotonicMs()
    this.#pruneOlderThan(nowMs - this.#windowMs())
    const entry = this.#entries.get(key)
    if (entry === undefined) return this.#begin(key, { path, rawBody, firstUsedMs: nowMs, reply: null })
    if (entry.path !== path) throw otherEndpoint(key, entry.path)
    if (!sameParameters(entry.rawBody, rawBody)) throw otherParameters(key)
    if (entry.reply === null) throw keyInUse(key)
    return { kind: 'replay', reply: entry.reply }
  }

  /** Forgets every key whose first request is finished, however young. */
  prune(): void {
    this.#pruneOlderThan(Number.POSITIVE_INFINITY)
  }

  #begin(key: string, entry: Entry): KeyedStart {
    this.#entries.set(key, entry)
    return {
      kind: 'run',
      settle: (reply) => {
        entry.reply = reply
      },
      release: () => {
        this.#entries.delete(key)
      },
    }
  }

  /** Entries stand in the order of their first use, so only those that go are looked at, and those under way. */
  #pruneOlderThan(limitMs: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.firstUsedMs > limitMs) return
      if (entry.reply !== null) this.#entries.delete(key)
    }
  }
}

function sameParameters(one: string, other: string): boolean {
  return one === other || canonicalForm(decodeForm(one)) === canonicalForm(decodeForm(other))
}

function keyTooLong(key: string): ApiError {
  return new ApiError(400, {
    type: 'invalid_request_error',
    message: `Invalid idempotency key: it is ${key.length} characters long, the limit is ${LONGEST_KEY}.`,
  })
}

function otherEndpoint(key: string, path: string): ApiError {
  return new ApiError(400, {
    type: 'idempotency_error',
    message: `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}'). Try using a key other than '${key}' if you meant to execute a different request.`,
  })
}

function otherParameters(key: string): ApiError {
  return new ApiError(400, {
    type: 'idempotency_error',
    message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
  })
}

function keyInUse(key: string): ApiError {
  return new ApiError(
    409,
    {
      type: 'invalid_request_error',
      code: 'idempotency_key_in_use',
      message: `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`,
    },
    { 'stripe-should-retry': 'true' },
  )
}
