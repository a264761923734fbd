import type { Message } from './application.js'
import type { CellAddress } from './services.js'

/** Which cell a worker is to work for. */
export interface WorkOrder {
  readonly strategy: string
  readonly gatewayLevel: string
  readonly address: CellAddress
  /** See `GatedAgent`. */
  readonly gateClosed: boolean
}

export type ToWorker =
  | { readonly type: 'open'; readonly work: WorkOrder }
  | { readonly type: 'deliver'; readonly delivery: number; readonly message: Message }
  | { readonly type: 'open_gate' }
  | { readonly type: 'close' }
  | { readonly type: 'audit'; readonly work: WorkOrder }

export type FromWorker =
  | { readonly type: 'ready' }
  /** The last `open`, `close` or `audit` is done; `error`: it failed. */
  | { readonly type: 'done'; readonly error: string | null }
  /** A delivery was handled: acknowledged, or (with an error) refused. */
  | { readonly type: 'handled'; readonly delivery: number; readonly error: string | null }
  | { readonly type: 'at_gate'; readonly waiting: number }
