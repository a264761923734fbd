import type { GatewayControl, GatewaySettings } from 'counterfoil/testing'
import type { Message, Order } from './application.js'
import type { Broker } from './broker.js'
import type { WorkerProcess } from './worker-process.js'

/** What a fault has in its hands: one cell, with its parts. */
export interface Stage {
  /** The orders that the fault strikes, and all others; the seed chose them. */
  readonly struck: readonly Order[]
  readonly spared: readonly Order[]
  readonly broker: Broker
  readonly gateway: GatewayControl
  /** Has the next of the cell's two workers open the cell and take messages. */
  join(options?: { readonly gateClosed?: boolean }): Promise<WorkerProcess>
  /** A message that asks for the order to be paid; each call makes a message of its own. */
  messageFor(order: Order): Message
  /** SIGKILLs the cell's database server; only for a fault that `restartsDatabase`. */
  crashDatabase(): Promise<void>
  /** Starts it again. */
  restartDatabase(): Promise<void>
  /**
   * Resolves when all that can be done about the struck orders without the worker that has them is done: each is
   * charged, decided, or somebody waits in the database for a lock of that worker.
   */
  untilOthersAreDone(): Promise<void>
}

/** Something that goes wrong, and how the lab makes it happen. */
export interface Fault {
  readonly name: string
  /** For the heading of a column. */
  readonly title: string
  /** What happens, in a sentence. */
  readonly story: string
  /** How the gateway is set up, beyond the usual. */
  readonly gateway?: Partial<Pick<GatewaySettings, 'keyWindowMs' | 'searchLagMs'>>
  /** How many times as many orders a cell has, where its figures are to be compared. Default 1. */
  readonly ordersTimes?: number
  /** How many of the orders it strikes at the most, where that is bounded. Otherwise a quarter. */
  readonly strikesAtMost?: number
  /** Cells that restart their database server need one that no other cell uses. Default false. */
  readonly restartsDatabase?: boolean
  /** Publishes a message for every order and lets the fault strike. Returns when nothing more will go wrong. */
  inject(stage: Stage): Promise<void>
}
