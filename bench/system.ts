import type { RestatePlace } from './restate.js'
import type { PaymentService, Receipt } from './service/client.js'

/** What every system is asked to pay, once for each id. */
export interface Order {
  readonly id: string
  readonly customerId: string
  readonly cents: number
  readonly currency: string
}

export function orderOf(id: string): Order {
  return { id, customerId: `customer-of-${id}`, cents: 1299, currency: 'eur' }
}

/** What a system works with. Everything is fresh: a database of its own, a Redis without keys, an empty Restate. */
export interface Place {
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Null for a system that needs none. */
  readonly restate: RestatePlace | null
  readonly service: PaymentService
  /** How many effects are asked for at once; a system may size its pools and batches by it. */
  readonly callers: number
  /** For the crash: how long at least a lost worker's work stays its own, in whatever setting the system has for it. */
  readonly lostAfterMs: number | null
  /** Whether old entries age in the journal during a load. Default: not. */
  readonly ages?: boolean
}

/** A system at work in this process. */
export interface OpenSystem {
  /**
   * Makes the order's payment happen, and resolves when it is done as the system understands it; with the service's
   * receipt, or null where the system hands none to its callers.
   */
  perform(order: Order): Promise<Receipt | null>
  /** What goes on beside the callers during a load, until the signal aborts; undefined: nothing. */
  readonly beside?: ((signal: AbortSignal) => Promise<void>) | undefined
  close(): Promise<void>
}

/** The database alone, without a call and without Node: PostgreSQL's own load generator, for the same rows. */
export type PgbenchForm = 'one by one' | 'batched'

/** One thing that is measured, in its fastest supported form. */
export interface System {
  readonly name: string
  readonly title: string
  /** In one sentence, what it promises of a call to an external service. */
  readonly promise: string
  /** Where its own documentation says so, or how to make it fast. */
  readonly docs: string
  /** Where the effects of its callers stand in line: a queue is kept full, so that it never waits for callers. */
  readonly isQueue: boolean
  /** It begins at once what it is asked for, with more places than callers: kept full, it would call more at once than others. */
  readonly beginsAtOnce?: true
  readonly needsRedis?: 'everysec' | 'always'
  readonly needsRestate?: true
  /** It makes no call and runs in no client: the database alone. */
  readonly pgbench?: PgbenchForm
  /** It differs from another by what it does with duplicates: its speed is not measured. */
  readonly onlyDuplicates?: true
  /** Its callers may be in several processes on one database, each of which hears of what another did. */
  readonly inSeveral?: true
  /** It survives the loss of its worker by itself; otherwise the callers ask again, as a redelivered message would. */
  readonly takesOverItself: boolean
  open(place: Place): Promise<OpenSystem>
}

/** How many effects are asked for at once when the system works on `callers` at a time. */
export function outstanding({ isQueue, beginsAtOnce }: System, callers: number): number {
  return isQueue && beginsAtOnce !== true ? callers * 2 : callers
}
