import type { IncomingHttpHeaders } from 'node:http'
import type { Call, Outcome } from '../../protocol/index.js'

/** A request as it came over the wire. */
export interface WireRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What the fake answered. */
export interface WireAnswer {
  readonly status: number
  readonly body: string
}

/** A request that reached our proxy, and what became of it. */
export interface SeenRequest extends WireRequest {
  /** The call of the user's function that sent it; null where none had been made. */
  readonly during: WatchedCall | null
  /** It is what makes the effect happen, rather than a question. */
  readonly effectful: boolean
  /** It came when the call's time was over (P3), or its function had ended. */
  readonly late: boolean
  /** The fake's answer, whether or not the client saw it; null while there is none. */
  answer: WireAnswer | null
  /** The client closed the connection before it had the whole answer. */
  clientGone: boolean
}

/** How the user's function ended. */
export type Ended = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** One call of the user's `execute` or `find`, with what it sent. */
export interface WatchedCall {
  readonly kind: 'execute' | 'find'
  readonly call: Call
  readonly requests: SeenRequest[]
  /** Null while it runs. */
  ended: Ended | null
  /** What the engine takes its end for; null while it runs, and for a `find`. */
  outcome: Outcome['kind'] | null
  /** Resolves when it has ended, however. */
  readonly done: Promise<void>
}
