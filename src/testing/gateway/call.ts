import type { Account } from './account.js'
import type { MovementOrigin } from './ledger.js'
import type { Parameters } from './parameters.js'
import type { Subject } from './records.js'
import type { Json } from './render.js'

/** A request as an operation sees it. */
export interface Call {
  readonly account: Account
  readonly requestId: string
  /** The header as it was sent; null if none. */
  readonly idempotencyKey: string | null
  readonly apiVersion: string
  readonly parameters: Parameters
  /** The object in the path; empty where there is none. */
  readonly id: string
}

/**
 * A response before it is written as text. Records are immutable, so rendering it again gives the same text: what is
 * stored under an idempotency key is this, which is much smaller.
 */
export interface Reply {
  readonly status: number
  readonly render: () => Json
}

/**
 * An operation of the API in two steps. `prepare` checks the parameters; what it throws is a validation failure, which
 * is not stored under an idempotency key. The function that it returns executes, in one go and without waiting; its
 * failures are results and are stored.
 */
export type Prepare = (call: Call) => () => Reply

/** A success; what `render` shows must be fixed by now. */
export function ok(render: () => Json): Reply {
  return { status: 200, render }
}

/** Who moves money, for the ledger. */
export function originOf(call: Call): MovementOrigin {
  return {
    atMs: call.account.world.clock.wallMs(),
    requestId: call.requestId,
    idempotencyKey: call.idempotencyKey,
  }
}

/** Records an event about an object as it is now. */
export function emit(call: Call, type: string, subject: Subject): void {
  const { account } = call
  const { events, world } = account
  events.add(
    {
      id: events.nextId(),
      created: account.nowSeconds(),
      type,
      subject,
      requestId: call.requestId,
      idempotencyKey: world.settings.level === 'keys' ? call.idempotencyKey : null,
      apiVersion: call.apiVersion,
    },
    world.clock.monotonicMs(),
  )
}
