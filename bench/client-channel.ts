import type { RestatePlace } from './restate.js'

/** What the client's process is told, one after the other. */
export type ClientOrder =
  | {
      readonly do: 'open'
      readonly system: string
      readonly databaseUrl: string
      readonly redisUrl: string
      readonly restate: RestatePlace | null
      readonly serviceUrl: string
      readonly callers: number
      readonly lostAfterMs: number | null
      readonly ages?: boolean
    }
  /** Keeps `outstanding` orders under way for so long, and measures nothing. */
  | { readonly do: 'warm'; readonly outstanding: number; readonly forMs: number }
  | { readonly do: 'measure'; readonly outstanding: number; readonly forMs: number }
  /** `keys` orders, each asked for by `times` callers at once. Of another `series`, they are others. */
  | { readonly do: 'duplicates'; readonly series: string; readonly keys: number; readonly times: number }
  /** Asks once for each of `orders` orders, whose ids are the same in every process. */
  | { readonly do: 'fixed'; readonly orders: number; readonly untilMs: number }
  | { readonly do: 'close' }

/** What a client measured of itself. */
export interface Measured {
  /** Done within the time. */
  readonly inTime: number
  readonly tookMs: number
  /** Done in all, with those that were under way when the time was over. */
  readonly done: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMs: number
  readonly rssMiB: number
}

export interface DuplicatesAnswered {
  readonly tookMs: number
  /** Callers who were given the service's receipt. */
  readonly receipts: number
  /** Callers who were told nothing but that it is done. */
  readonly done: number
  readonly errors: number
  readonly firstError: string | null
}
